import type { AttentionTap } from '../../src/attention/layer.ts';
import type { Mechanism, MechanismSite } from '../../src/attention/mechanism.ts';
import { wholeText } from '../../src/attention/places.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { gradients, input, lower, rename, sum, type Tensor } from '../../src/tensor/index.ts';
import { type NaiveMechanism, naiveLayer } from './naive/one-text.ts';
import { type RunOptions, runLayer, siteOf, smallSizes, someStream, worst } from './support.ts';

export interface ScoresRun {
  /** Weights of the last query, which sees all keys. */
  readonly weights: number[];
  /** Its mass on a null column; undefined where there is none. */
  readonly mass: number | undefined;
}

/** A head of width one that turns streams (1, s) into queries of 1, keys and values of s, and the result into (1, 1) of it. */
const oneWide = {
  'q_proj.weight': [1, 0],
  'k_proj.weight': [0, 1],
  'v_proj.weight': [0, 1],
  'o_proj.weight': [1, 1],
};
const oneWideSite: Partial<MechanismSite> = { sizes: { H: 1, G: 1, D: 1, M: 2 }, position: {} };

/** Weights that a mechanism gives to scores: one head of width one with queries of 1 and the scores as keys; a k* is then its own logit. */
export async function weightsOf(
  mechanism: Mechanism,
  scores: readonly number[],
  { weights = {}, site = {} }: Pick<RunOptions, 'weights'> & { readonly site?: Partial<MechanismSite> } = {},
): Promise<ScoresRun> {
  const n = scores.length;
  const { hooks } = await runLayer(mechanism, [scores.map((s) => [1, s])], {
    site: { ...oneWideSite, ...site },
    weights: { ...oneWide, ...weights },
    hooks: ['attn.hook_pattern', 'attn.hook_sink'],
  });
  const rows = hooks.get('attn.hook_pattern')!.data as Float32Array;
  const sink = hooks.get('attn.hook_sink')?.data as Float32Array | undefined;
  return { weights: [...rows.slice(-n)], mass: sink?.at(-1) };
}

const theta = 10_000;

/** Largest difference beside the largest value expected, where that is above one: un-normalised attention gives out hundreds. */
export function apart(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  return worst(found, expected) / Math.max(1, worst(expected, new Float64Array(expected.length)));
}

/** Output, pattern and sink of the graph and of the loops, on the same values, flat. */
export async function graphAndLoops(
  mechanism: Mechanism,
  loops: (tensor: (end: string) => Float32Array) => NaiveMechanism,
  options: Pick<RunOptions, 'site' | 'watched'> = {},
) {
  const [xs] = someStream(1, 7);
  const hooks = ['attn.hook_pattern', 'attn.hook_sink'] as const;
  const run = await runLayer(mechanism, [xs!], { ...options, hooks });
  const tensor = (end: string) => {
    const name = [...run.weights.keys()].find((one) => one.endsWith(end));
    if (name === undefined)
      throw new Error(`no tensor ends with ${end}; there are ${[...run.weights.keys()].join(', ')}`);
    return run.weights.get(name) as Float32Array;
  };
  const rotary = options.site?.position === undefined ? { theta } : {};
  const window = options.site?.window === undefined ? {} : { window: options.site.window };
  const made = naiveLayer({ ...smallSizes, ...rotary, ...window, tensor }, loops(tensor), xs!);
  return {
    graph: {
      output: run.output,
      pattern: run.hooks.get('attn.hook_pattern')?.data as Float32Array,
      sink: run.hooks.get('attn.hook_sink')?.data as Float32Array | undefined,
    },
    loops: { output: made.output.flat(), pattern: made.pattern.flat(2), sink: made.sink.flat() },
  };
}

/** Gradient of the sum of all outputs with respect to the streams (1, s), and the same by central differences. */
export async function slopesAt(
  mechanism: Mechanism,
  scores: readonly number[],
  weights: Readonly<Record<string, readonly number[]>> = {},
): Promise<{ readonly slopes: number[]; readonly differences: number[] }> {
  const stored: Readonly<Record<string, readonly number[]>> = { ...oneWide, ...weights };
  const T = scores.length;
  const site = siteOf(oneWideSite);
  const tap = ((_: string, value: unknown) => value) as unknown as AttentionTap;
  tap.watched = () => true;
  const stream = input('x', { B: 1, T, M: 2 });
  const layer = mechanism.attention(site);
  const places = wholeText(T);
  const output = layer.attend(stream, layer.keysAndValues(rename(stream, 'T', 'S'), places, tap), places, tap);
  const total = sum(output, ['B', 'T', 'M']) as Tensor<never>;
  const [slope] = gradients(total, [stream as unknown as Tensor<string>]);
  await using runtime = nodeRuntime({ threads: 1 });
  const outputs = {
    total: { value: total },
    slope: { value: slope as unknown as Tensor<string>, order: ['B', 'T', 'M'] },
  };
  const program = await runtime.compile(lower(outputs, { weights: 'inputs' }));
  const fed = program.graph.weights.map(({ input: name, weight, shape }) => {
    const values = Object.entries(stored).find(([end]) => weight.endsWith(end))![1];
    return [name, { type: 'float32' as const, shape, data: Float32Array.from(values) }] as const;
  });
  const at = (data: Float32Array<ArrayBuffer>) =>
    program.run({ ...Object.fromEntries(fed), x: { type: 'float32', shape: [1, T, 2], data } });
  const here = Float32Array.from(scores.flatMap((s) => [1, s]));
  const step = 2 ** -7;
  const differences: number[] = [];
  for (let i = 0; i < here.length; i++) {
    const moved = async (sign: number) =>
      (await at(here.map((value, j) => value + (i === j ? sign * step : 0)))).total!.data[0] as number;
    differences.push(((await moved(1)) - (await moved(-1))) / (2 * step));
  }
  return { slopes: [...((await at(here)).slope!.data as Float32Array)], differences };
}
