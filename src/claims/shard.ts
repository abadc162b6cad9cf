import type { Experiment } from './experiment.ts';

/** One run: everything that decides its result. */
export interface Shard<S = unknown> {
  readonly experiment: string;
  readonly version: number;
  readonly setting: S;
  readonly seed: number;
}

/** The shard of one setting and seed; throws a ZodError's message as an Error when the setting does not fit the experiment. */
export function shardOf<S>(experiment: Experiment<S, unknown>, setting: S, seed: number): Shard<S> {
  const { name, version } = experiment;
  return { experiment: name, version, setting: experiment.setting.parse(setting), seed };
}

/** SHA-256 of a shard's canonical JSON (keys sorted), as 64 hexadecimal digits: where its result is kept. */
export async function shardKey(shard: Shard): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(canonicalJson(shard)));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const fields = Object.entries(value)
    .filter(([, entry]) => entry !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([key, entry]) => `${JSON.stringify(key)}:${canonicalJson(entry)}`).join(',')}}`;
}

/** Where results are kept: a folder, a bucket, a queue's answer. */
export interface ShardStore {
  /** The result of a shard, unchecked, or undefined. */
  get(shard: Shard): Promise<unknown>;
  put(shard: Shard, result: unknown): Promise<void>;
}
