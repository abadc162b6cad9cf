import { type Shard, shardOf } from '../shard.ts';
import { emergence } from './experiment.ts';
import { type Factor, settingOf } from './factors.ts';
import type { EmergenceSetting } from './setting.ts';

/** The runs that factors need, each once, and where in them every row finds its seeds. */
export interface EmergenceShards {
  readonly shards: readonly Shard<EmergenceSetting>[];
  /** [factor][row][seed]: index of a shard. */
  readonly places: readonly (readonly (readonly number[])[])[];
}

/** Settings that several factors share (the base) are run once. */
export function emergenceShards(
  factors: readonly Factor[],
  seeds: readonly number[],
  replaced: Partial<EmergenceSetting> = {},
): EmergenceShards {
  const shards: Shard<EmergenceSetting>[] = [];
  const known = new Map<string, number>();
  const place = (setting: EmergenceSetting, seed: number) => {
    const shard = shardOf(emergence, setting, seed);
    const key = JSON.stringify([Object.entries(shard.setting).sort(([a], [b]) => (a < b ? -1 : 1)), seed]);
    if (!known.has(key)) known.set(key, shards.push(shard) - 1);
    return known.get(key)!;
  };
  const places = factors.map((factor) =>
    factor.rows.map((row) => seeds.map((seed) => place(settingOf(factor, row, replaced), seed))),
  );
  return { shards, places };
}
