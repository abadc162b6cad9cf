import { type Shard, shardOf } from '../shard.ts';
import { type ComparisonSetting, mechanismComparison } from './experiment.ts';
import type { ToyName } from './toy-names.ts';
import type { Variant } from './variants.ts';

/** One run for each variant, toy and seed, in that order. */
export function comparisonShards(
  variants: readonly Variant[],
  toys: readonly ToyName[],
  seeds: readonly number[],
  share: number,
): Shard<ComparisonSetting>[] {
  return variants.flatMap(({ mechanism }) =>
    toys.flatMap((toy) =>
      seeds.map((seed) => shardOf(mechanismComparison, { toy, mechanism: mechanism.name, share }, seed)),
    ),
  );
}
