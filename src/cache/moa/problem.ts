import { InputError } from '../../error.ts';
import { normal, seededRandom } from '../../random.ts';
import type { InfluenceProfile } from './profile.ts';
import type { SpanRule } from './rules.ts';
import { bandBlocks, density, type SpanReading, seesBlock } from './spans.ts';

/** One rule for each head, few rules in a layer, short spans on average, little lost: what a search solves. */
export interface SpanProblem {
  readonly layers: number;
  readonly heads: number;
  readonly rules: readonly SpanRule[];
  /** What a head loses under a rule, by length of text, by layer · heads + head, by rule. One objective for each length. */
  readonly costs: readonly (readonly Float64Array[])[];
  /** Density of a rule, by length, by rule. May have more lengths than `costs`. */
  readonly densities: readonly Float64Array[];
  /** Greatest mean density over all heads, at each length. */
  readonly budget: number;
  /** Least mean density. */
  readonly least: number;
  /** Distinct rules that a layer may have. */
  readonly rulesPerLayer: number;
}

export interface SpanProblemOptions {
  readonly rules: readonly SpanRule[];
  /** Default 0.5. */
  readonly budget?: number;
  /** Default 0.9 · budget. */
  readonly least?: number;
  /** Default 2. */
  readonly rulesPerLayer?: number;
  /** Longer texts that must keep the budget, without a profile. Default none. */
  readonly extended?: readonly number[];
  /** Default `cache`. */
  readonly reading?: SpanReading;
}

/** Sum of the influence of the causal blocks that a band and the sink block leave out. */
export function lostInfluence(influence: Float64Array, band: number): number {
  const blocks = Math.sqrt(influence.length);
  let lost = 0;
  for (let I = 0; I < blocks; I++)
    for (let J = 0; J <= I; J++) if (!seesBlock(I, J, band)) lost += influence[I * blocks + J]!;
  return lost;
}

/**
 * Costs and densities of rules from what was profiled (2406.14909), one profile for each length. Throws an InputError for profiles of
 * different blocks or models, for no rules, and for budgets outside 0 to 1.
 */
export function spanProblem(
  profiles: readonly InfluenceProfile[],
  {
    rules,
    budget = 0.5,
    least = 0.9 * budget,
    rulesPerLayer = 2,
    extended = [],
    reading = 'cache',
  }: SpanProblemOptions,
): SpanProblem {
  const { block = 0, influence = [] } = profiles[0] ?? {};
  const heads = influence[0]?.length ?? 0;
  const alike = profiles.every(
    (one) => one.block === block && one.influence.flat().length === influence.length * heads,
  );
  if (profiles.length === 0 || rules.length === 0 || !alike)
    throw new InputError('moa: expected rules, and profiles of one model with blocks of one size');
  if (!(budget > 0 && budget <= 1 && least >= 0 && least <= budget) || !(rulesPerLayer >= 1))
    throw new InputError(
      `moa: expected 0 ≤ least ≤ budget ≤ 1 and at least one rule per layer, got ${least}, ${budget} and ${rulesPerLayer}`,
    );
  const units = { block, reading };
  const costs = profiles.map(({ length, influence }) => {
    const bands = rules.map((rule) => bandBlocks(rule, length, units));
    return influence.flat().map((sums) => Float64Array.from(bands, (band) => lostInfluence(sums, band)));
  });
  const lengths = [...profiles.map(({ length }) => length), ...extended];
  const densities = lengths.map((length) => Float64Array.from(rules, (rule) => density(rule, length, units)));
  return { layers: influence.length, heads, rules, costs, densities, budget, least, rulesPerLayer };
}

/** The same problem with costs of chance: its solution is a random plan that keeps the same budgets. A control. */
export function randomProblem(problem: SpanProblem, seed: number): SpanProblem {
  const random = normal(seededRandom(seed));
  const costs = problem.costs.map((heads) => heads.map((rules) => rules.map(() => random())));
  return { ...problem, costs };
}
