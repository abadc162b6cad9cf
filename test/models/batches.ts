import type { Batch, MemoryBatch, TokenBatch } from '../../src/models/input.ts';
import type { Model } from '../../src/models/model.ts';
import { type RunResult, run } from '../../src/models/run.ts';
import { readsTokens, type Stack, type TokenStack } from '../../src/models/stack.ts';
import { inOrder } from '../../src/models/verify-batch.ts';
import { furthest, someIds } from './support.ts';

/** Every stack of a checkpoint, by what tests call it. */
export const stacksOf = (model: Model): readonly (readonly [string, Model])[] =>
  model.parts.size === 0 ? [['', model]] : inOrder(model).map((one) => [one.stack.part!, one]);

/** Tokens of a text, sides of a picture in pixels, frames of a spectrogram. */
export type Extent = number | readonly [Y: number, X: number];

/** What a stack is tried on. Spectrograms have one length, and pictures inside a text one size. */
export function extentsOf(stack: Stack): Extent[] {
  if (readsTokens(stack)) return [1, 2, 13, 21];
  if (stack.reads === 'features') return [stack.features.frames];
  const { height, width, patch, anySize } = stack.pixels;
  const others: Extent[] = [
    [3 * patch, 6 * patch],
    [patch, patch],
  ];
  return [[height, width], ...(anySize ? others : [])];
}

/** The extent where one is enough. */
export const usual = (stack: Stack): Extent => (readsTokens(stack) ? 13 : extentsOf(stack)[0]!);

/** Numbers around 0, of size 1. */
export const numbers = (length: number, seed: number) =>
  Float32Array.from({ length }, (_, i) => 0.7 * (Math.sin(i * 1.7 + seed) + Math.cos(i * 0.31 * seed)));

const joined = (parts: readonly Float32Array[]) => {
  const all = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

/** Positions of the memory of each text: as many as `real`, and padding up to the longest. */
export function memoryOf({ memory }: TokenStack, seeds: readonly number[], real = seeds.map(() => 9)): MemoryBatch {
  const { M } = memory!;
  const S = Math.max(...real);
  const rows = seeds.map((seed, b) => joined([numbers(real[b]! * M, seed), new Float32Array((S - real[b]!) * M)]));
  const bits = Uint8Array.from({ length: seeds.length * S }, (_, i) => (i % S < real[Math.floor(i / S)]! ? 1 : 0));
  return { values: joined(rows), shape: [seeds.length, S, M], ...(bits.includes(0) ? { real: bits } : {}) };
}

/** Texts of these lengths, one for each seed; every third token is a patch of a picture, where the stack takes patches. */
export function texts(stack: TokenStack, lengths: readonly number[], seeds: readonly number[]): TokenBatch {
  const ids = lengths.map((length, b) => someIds(length, seeds[b]!));
  if (stack.imageToken === undefined) return { ids };
  const { M } = stack.sizes;
  const each = 8;
  const rows = ids.map((row, b) => row.map((_, t) => (t % 3 === 1 ? b * each + Math.floor(t / 3) : -1)));
  const values = joined(seeds.map((seed) => numbers(each * M, seed)));
  return {
    ids: ids.map((row, b) => row.map((id, t) => (rows[b]![t]! < 0 ? id : stack.imageToken!))),
    given: { values, shape: [seeds.length * each, M], rows },
  };
}

/** A batch with one text, picture or spectrogram for each seed. */
export function aBatch(stack: Stack, extent: Extent, seeds: readonly number[] = [3, 5]): Batch {
  const B = seeds.length;
  if (readsTokens(stack)) {
    const length = extent as number;
    const plain = texts(
      stack,
      seeds.map(() => length),
      seeds,
    );
    return stack.memory ? { ...plain, memory: memoryOf(stack, seeds) } : plain;
  }
  if (stack.reads === 'features') {
    const { C } = stack.features;
    const frames = extent as number;
    return { features: joined(seeds.map((seed) => numbers(C * frames, seed))), shape: [B, C, frames] };
  }
  const [Y, X] = extent as readonly [number, number];
  const { C } = stack.pixels;
  return { pixels: joined(seeds.map((seed) => numbers(C * Y * X, seed))), shape: [B, C, Y, X] };
}

/** Positions of the stream that an extent makes. */
export function positionsOf(stack: Stack, extent: Extent): number {
  if (readsTokens(stack)) return extent as number;
  if (stack.reads === 'features') return (extent as number) / stack.features.stride;
  const [Y, X] = extent as readonly [number, number];
  return stack.leading.length + (Y / stack.pixels.patch) * (X / stack.pixels.patch);
}

export type Values = ReadonlyMap<string, Float32Array>;

/** Values of a run by name: hook points, `logits` and other outputs. */
export function valuesOf({ logits, outputs, captured }: RunResult): Map<string, Float32Array> {
  const named = [...(logits ? [['logits', logits] as const] : []), ...outputs, ...captured];
  return new Map(named.map(([name, { data }]) => [name, data as Float32Array]));
}

/** The streams behind every block and the last norm, logits and other outputs; in the watched lowering patterns too. */
export async function everything(model: Model, batch: Batch, watched: boolean): Promise<Values> {
  const shown = /^(ln_final|blocks\.\d+)\.hook_out$/;
  const inside = /attn\.hook_(pattern|compressed|sink)$/;
  const capture = model.hookNames.filter((name) => shown.test(name) || (watched && inside.test(name)));
  return valuesOf(await run(model, batch, { capture }));
}

/** The names under which two runs are further apart than rounding, with how far, relative to the largest value where it is above 1. */
export function differences(ours: Values, expected: Values, limit = 2e-5): [string, number][] {
  if (expected.size === 0) throw new Error('there is nothing to compare');
  return [...expected]
    .map(([name, values]): [string, number] => {
      const size = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
      return [name, furthest(ours.get(name) ?? [], values) / size];
    })
    .filter(([, far]) => !(far <= limit));
}
