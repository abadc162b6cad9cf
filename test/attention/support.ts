import type { AttentionHook, AttentionTap } from '../../src/attention/layer.ts';
import type { Mechanism, MechanismSite } from '../../src/attention/mechanism.ts';
import { type Places, wholeText } from '../../src/attention/places.ts';
import { rotary } from '../../src/attention/positions/rope-frequencies.ts';
import { normal, seededRandom, seedFor } from '../../src/random.ts';
import type { HostTensor } from '../../src/runtime/backend.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { input, lower, type Output, rename, type Tensor } from '../../src/tensor/index.ts';
import type { Node } from '../../src/tensor/tensor.ts';

/** Four query heads on two key/value heads, odd widths of text. */
export const smallSizes = { H: 4, G: 2, D: 8, M: 12 } as const;

/** A layer for tests; whatever is given replaces the defaults: RoPE, context 16, layer 0 of 2. */
export function siteOf(given: Partial<MechanismSite> = {}): MechanismSite {
  const sizes = given.sizes ?? smallSizes;
  return {
    at: (name) => `layers.0.${name}`,
    sizes,
    position: { rotary: rotary({ kind: 'default', theta: 10_000, partial: 1 }, sizes.D) },
    ...{ context: 16, layer: 0, layers: 2, epsilon: 1e-5 },
    ...given,
  };
}

/** Every `weight` node below some values, by name: a tensor may be asked for in several places. */
export function weightNodes(roots: readonly Node[]): Map<string, Tensor<string>[]> {
  const found = new Map<string, Tensor<string>[]>();
  const seen = new Set(roots);
  for (const node of seen) {
    for (const next of node.inputs) seen.add(next);
    if (node.operator.name !== 'weight') continue;
    const name = node.attributes.name as string;
    found.set(name, [...(found.get(name) ?? []), node as unknown as Tensor<string>]);
  }
  return found;
}

/** Seeded values for stored tensors: the mechanism's own initial values where it gives any, else N(0, deviation²) of their own stream. */
export function weightsFor(
  roots: readonly Node[],
  mechanism?: Mechanism,
  deviation = 0.4,
): Map<string, Float32Array<ArrayBuffer>> {
  const values = new Map<string, Float32Array<ArrayBuffer>>();
  for (const [name, [first]] of weightNodes(roots)) {
    const { node } = first!;
    const shape = [...node.axes.values()].map((size) => size.evaluate({}));
    const draw = normal(seededRandom(seedFor(1, name)));
    const length = shape.reduce((a, b) => a * b, 1);
    const random = Float32Array.from({ length }, () => deviation * draw());
    values.set(name, mechanism?.initial?.(name, shape, draw) ?? random);
  }
  return values;
}

export interface LayerRun {
  readonly output: Float32Array;
  /** What the hook points held, in the canonical order of axes (the letters sorted as the library does), by name. */
  readonly hooks: ReadonlyMap<AttentionHook, HostTensor>;
  readonly weights: ReadonlyMap<string, Float32Array>;
}

export interface RunOptions {
  /** Replaces seeded values, by the end of the tensor's name (`q_proj.weight`). */
  readonly weights?: Readonly<Record<string, readonly number[] | Float32Array>>;
  readonly site?: Partial<MechanismSite>;
  readonly hooks?: readonly AttentionHook[];
  /** Keep every step a value of its own. Default true. */
  readonly watched?: boolean;
  readonly places?: (T: number) => Places;
  /** Use the mechanism's initial values. Default false: every tensor random. */
  readonly initial?: boolean;
}

/** Runs a layer over normalised streams x [B][T][M]. */
export async function runLayer(
  mechanism: Mechanism,
  x: readonly (readonly (readonly number[])[])[],
  options: RunOptions = {},
): Promise<LayerRun> {
  const site = siteOf(options.site);
  const [B, T, M] = [x.length, x[0]!.length, site.sizes.M];
  const read = new Map<AttentionHook, Tensor<string>>();
  const tap = ((name: AttentionHook, value: Tensor<string>) => {
    if (options.hooks?.includes(name)) read.set(name, value);
    return value;
  }) as unknown as AttentionTap;
  tap.watched = () => options.watched ?? true;
  const stream = input('x', { B, T, M });
  const places = options.places?.(T) ?? wholeText(T);
  const layer = mechanism.attention(site);
  const kv = layer.keysAndValues(rename(stream, 'T', 'S'), places, tap);
  const output = layer.attend(stream, kv, places, tap);
  const weights = weightsFor([output.node], options.initial ? mechanism : undefined);
  for (const [end, values] of Object.entries(options.weights ?? {})) {
    const name = [...weights.keys()].find((one) => one.endsWith(end));
    if (name === undefined) throw new Error(`no tensor ends with ${end}; there are ${[...weights.keys()].join(', ')}`);
    if (values.length !== weights.get(name)!.length)
      throw new Error(`${name}: expected ${weights.get(name)!.length} values, got ${values.length}`);
    weights.set(name, Float32Array.from(values));
  }
  const outputs: Record<string, Output> = { output: { value: output, order: ['B', 'T', 'M'] } };
  for (const [name, value] of read) outputs[name] = { value };
  await using runtime = nodeRuntime({ threads: 1 });
  const program = await runtime.compile(lower(outputs, { weights: 'inputs' }));
  const made = await program.run({
    x: { type: 'float32', shape: [B, T, M], data: Float32Array.from(x.flat(2)) },
    ...Object.fromEntries(
      program.graph.weights.map(({ input: name, weight, shape }) => [
        name,
        { type: 'float32' as const, shape, data: weights.get(weight)! },
      ]),
    ),
  });
  return {
    output: made.output!.data as Float32Array,
    hooks: new Map([...read.keys()].map((name) => [name, made[name]!])),
    weights,
  };
}

/** Seeded streams [B][T][M]. */
export function someStream(B: number, T: number, M: number = smallSizes.M, seed = 3): number[][][] {
  const draw = normal(seededRandom(seedFor(seed, 'stream')));
  return Array.from({ length: B }, () => Array.from({ length: T }, () => Array.from({ length: M }, draw)));
}

/** Largest difference of two arrays of one length. */
export function worst(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`${a.length} values beside ${b.length}`);
  let most = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    // NaN must not pass.
    if (!(difference <= most)) most = difference;
  }
  return most;
}
