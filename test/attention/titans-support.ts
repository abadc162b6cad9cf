import { type MemoryNetworkOptions, memoryNetwork } from '../../src/attention/recurrent/memory-network.ts';
import { type MemoryState, memorise } from '../../src/attention/recurrent/memory-recurrence.ts';
import { normal, seededRandom } from '../../src/random.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { concat, input, lower, slice, type Tensor } from '../../src/tensor/index.ts';
import * as naive from './naive/titans.ts';

export const [D, epsilon] = [6, 1e-5];
export const draw = normal(seededRandom(11));
export const vector = (length: number, size = 1) => Array.from({ length }, () => size * draw());
export const matrix = (height: number, width: number, size = 0.5) =>
  Array.from({ length: height }, () => vector(width, size));
export const unit = (x: number[]) => {
  const norm = Math.hypot(...x);
  return x.map((value) => value / norm);
};

export interface Kind {
  readonly layers: 1 | 2;
  readonly norm: boolean;
  readonly residual: boolean;
}
export const kinds: Kind[] = [1, 2].flatMap((layers) =>
  [true, false].flatMap((norm) => [true, false].map((residual) => ({ layers: layers as 1 | 2, norm, residual }))),
);
export const titleOf = ({ layers, norm, residual }: Kind) =>
  `L_M ${layers}, ${norm ? 'with' : 'no'} norm, ${residual ? 'with' : 'no'} residual`;

export const memoryOf = ({ layers, norm }: Kind): naive.Memory => ({
  ...(layers === 1 ? { W: matrix(D, D) } : { W_1: matrix(D, 2 * D), W_2: matrix(2 * D, D) }),
  ...(norm ? { gamma: vector(D).map((value) => 1 + 0.3 * value) } : {}),
});
export const flatOf = (m: naive.Memory) =>
  Object.fromEntries(Object.entries(m).map(([part, values]) => [part, values.flat()]));

export interface Given {
  readonly k: number[];
  readonly v: number[];
  readonly q: number[];
  readonly theta: number;
  readonly eta?: number;
  readonly alpha?: number;
}
export const someTokens = (count: number): Given[] =>
  Array.from({ length: count }, () => ({
    ...{ k: unit(vector(D)), v: vector(D), q: unit(vector(D)), theta: 0.05 + 0.1 * Math.abs(draw()) },
    ...{ eta: draw(), alpha: draw() - 2 },
  }));

/** Runs the recurrence in the graph on one text, cut into parts; reads [T][D] and the weights after it. */
export async function recur(
  kind: MemoryNetworkOptions,
  m: naive.Memory,
  tokens: readonly Given[],
  chunk: number,
  cuts: number[] = [],
) {
  const network = memoryNetwork({ G: 1, D }, epsilon, { expansion: 2, ...kind });
  const T = tokens.length;
  const weights = Object.fromEntries(
    Object.entries(network.shapes).map(([part, axes]) => [part, input(part, axes as never) as Tensor<string>]),
  );
  const row = (name: string) => input(name, { B: 1, T, G: 1, D });
  const gate = (name: string) => (tokens[0]![name as 'eta'] === undefined ? undefined : input(name, { B: 1, T, G: 1 }));
  const given = {
    ...{ q: input('q', { B: 1, T, G: 1, R: 1, D }), k: row('k'), v: row('v') },
    ...{ theta: gate('theta')!, eta: gate('eta'), alpha: gate('alpha') },
  };
  let state: MemoryState = { weights };
  const reads = [];
  const borders = [0, ...cuts, T];
  for (let i = 0; i + 1 < borders.length; i++) {
    const [start, end] = [borders[i]!, borders[i + 1]!];
    const part = Object.fromEntries(
      Object.entries(given).map(([name, value]) => [
        name,
        value && slice(value as unknown as Tensor<'T'>, 'T', start, end),
      ]),
    ) as unknown as typeof given;
    const made = memorise(network, state, part, { chunk, start, length: end - start });
    state = made.state;
    reads.push(made.reads);
  }
  const outputs = Object.fromEntries(
    Object.entries(state.weights).map(([part, value]) => [
      `next.${part}`,
      { value, order: [...(value.node.axes.has('B') ? ['B'] : []), ...Object.keys(network.shapes[part]!)] },
    ]),
  );
  const feeds: Record<string, { axes: number[]; values: number[] }> = {
    ...Object.fromEntries(
      Object.entries(flatOf(m)).map(([part, values]) => [part, { axes: Object.values(network.shapes[part]!), values }]),
    ),
    q: { axes: [1, T, 1, 1, D], values: tokens.flatMap(({ q }) => q) },
    k: { axes: [1, T, 1, D], values: tokens.flatMap(({ k }) => k) },
    v: { axes: [1, T, 1, D], values: tokens.flatMap(({ v }) => v) },
    ...Object.fromEntries(
      (['theta', 'eta', 'alpha'] as const).map((name) => [
        name,
        { axes: [1, T, 1], values: tokens.map((token) => token[name] ?? 0) },
      ]),
    ),
  };
  await using runtime = nodeRuntime({ threads: 1 });
  const read = { value: concat(reads, 'T'), order: ['B', 'T', 'G', 'R', 'D'] };
  const program = await runtime.compile(lower({ reads: read, ...outputs }, { weights: 'inputs' }));
  const made = await program.run(
    Object.fromEntries(
      program.graph.inputs.map(({ name }) => [
        name,
        { type: 'float32' as const, shape: feeds[name]!.axes, data: Float32Array.from(feeds[name]!.values) },
      ]),
    ),
  );
  const after = Object.fromEntries(
    Object.keys(state.weights).map((part) => [part, [...(made[`next.${part}`]!.data as Float32Array)]]),
  );
  return { reads: [...(made.reads!.data as Float32Array)], weights: after };
}

/** The same by the loops. */
export function loops(kind: Kind, m: naive.Memory, tokens: readonly Given[], chunk: number) {
  const reader = new naive.Reader(m, chunk, { residual: kind.residual, epsilon });
  const reads = tokens.flatMap((token) => reader.next({ ...token, q: [token.q] }).flat());
  return { reads, weights: flatOf(reader.weights) };
}

export const plain: Kind = { layers: 1, norm: false, residual: false };
