import { rotary } from '../attention/positions/rope-frequencies.ts';
import { layerCost } from '../claims/mechanisms/cost.ts';
import { type ComparisonResult, toyOf } from '../claims/mechanisms/experiment.ts';
import type { ToyName } from '../claims/mechanisms/toy-names.ts';
import type { Variant } from '../claims/mechanisms/variants.ts';
import type { MechanismsReport } from '../report/mechanisms.schema.ts';
import { asExpected } from '../report/mechanisms-verdict.ts';

/** The results of `comparisonShards` as a report. */
export function comparisonReport(
  variants: readonly Variant[],
  toys: readonly ToyName[],
  seeds: readonly number[],
  share: number,
  results: readonly ComparisonResult[],
  from: { readonly version: string; readonly runtime: string; readonly node: string },
): MechanismsReport {
  let next = 0;
  const [T, M] = [48, 64];
  const site = {
    ...{ at: (name: string) => name, sizes: { H: 1, G: 1, D: M, M }, context: T, layer: 0, layers: 1, epsilon: 1e-5 },
    position: { rotary: rotary({ kind: 'default', theta: 10_000, partial: 1 }, M) },
  };
  return {
    format: 'sinklab.mechanisms/1',
    sinklab: from.version,
    share,
    seeds: [...seeds],
    toys: toys.map((toy) => ({
      name: toy,
      about: toyOf(toy).about,
      steps: results[toys.indexOf(toy) * seeds.length]!.steps,
    })),
    mechanisms: variants.map(({ file, variant, mechanism }) => {
      const runs = Object.fromEntries(
        toys.map((toy) => [
          toy,
          seeds.map((seed) => {
            const { values, untrained, gradientNorm, seconds } = results[next++]!;
            return { seed, values, untrained, gradientNorm, seconds };
          }),
        ]),
      );
      const shares = runs['bigram-backcopy']?.map(({ values }) => values.firstElsewhere) ?? [];
      return {
        ...{ name: mechanism.name, card: file.card, title: file.title, source: mechanism.source },
        ...{ idea: file.idea, equation: file.equation, example: file.example, rows: mechanism.rows },
        citations: file.citations.map((citation) => ({ ...citation })),
        expected: variant.sink,
        asExpected: asExpected(variant.sink, shares),
        cost: layerCost(mechanism, site, T),
        runs,
      };
    }),
    provenance: {
      runtime: from.runtime,
      node: from.node,
      seconds: results.reduce((total, { seconds }) => total + seconds, 0),
    },
  };
}
