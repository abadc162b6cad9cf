import type { HostTensor } from '../../src/runtime/backend.ts';
import {
  dot,
  type Graph,
  input,
  iota,
  lessOrEqual,
  lower,
  mean,
  merge,
  rename,
  select,
  softmax,
  weight,
} from '../../src/tensor/index.ts';
import { encodeOnnx } from '../../src/tensor/onnx.ts';

/** Tensors as JSON can carry them. */
export type Plain = Record<string, { shape: number[]; values: number[] }>;

export const plain = (tensors: Readonly<Record<string, HostTensor>>): Plain =>
  Object.fromEntries(
    Object.entries(tensors).map(([name, { shape, data }]) => [
      name,
      { shape: [...shape], values: Array.from(data as Iterable<number | bigint>, Number) },
    ]),
  );

/** Causal attention over `T` tokens with two query heads a group. */
export function attentionProgram(): Graph {
  const x = input('x', { B: 'B', T: 'T', M: 8 });
  const q = dot(x, weight('query', { G: 2, R: 2, D: 4, M: 8 }), 'M');
  const k = rename(dot(x, weight('key', { G: 2, D: 4, M: 8 }), 'M'), 'T', 'S');
  const visible = lessOrEqual(iota('S', 'T'), iota('T', 'T'));
  const pattern = softmax(select(visible, dot(q, k, 'D'), Number.NEGATIVE_INFINITY), 'S');
  return lower(
    {
      pattern: { value: merge(pattern, ['G', 'R'], 'H'), order: ['B', 'H', 'T', 'S'] },
      received: { value: mean(pattern, 'T') },
    },
    { weights: 'inputs' },
  );
}

/** A smooth, aperiodic series, as a view into a larger buffer: a runtime that forgets the offset reads NaN. */
const wave = (length: number, step: number) => {
  const buffer = new Float32Array(length + 3).fill(Number.NaN);
  for (let i = 0; i < length; i++) buffer[i + 3] = 2 * Math.sin(step * i + 0.3);
  return buffer.subarray(3);
};

const float32 = (shape: number[], step: number): HostTensor => ({
  type: 'float32',
  shape,
  data: wave(
    shape.reduce((a, b) => a * b, 1),
    step,
  ),
});

/** 2 prompts of 5 tokens, and the two weights in the order in which the program takes them. */
export function attentionFeeds(): Record<string, HostTensor> {
  const values: Record<string, HostTensor> = { query: float32([2, 2, 4, 8], 0.71), key: float32([2, 4, 8], 1.13) };
  const weights = attentionProgram().weights.map(({ input, weight }) => [input, values[weight]!]);
  return { x: float32([2, 5, 8], 0.37), ...Object.fromEntries(weights) };
}

/** The standard Attention operator with its pattern, and angles position · frequency mod 2π in double precision. */
export function operatorModel(): Uint8Array {
  const outputs = [
    { name: 'z', type: 'float32', shape: [1, 4, 3, 4] },
    { name: 'pattern', type: 'float32', shape: [1, 4, 3, 3] },
    { name: 'angle', type: 'float32', shape: [3] },
  ] as const;
  const node = (type: string, inputs: string[], outputs: string[], attributes = {}) => ({
    type,
    domain: '',
    inputs,
    outputs,
    attributes,
  });
  return encodeOnnx({
    nodes: [
      node('Attention', ['q', 'k', 'v'], ['z', '', '', 'pattern'], { is_causal: 1, qk_matmul_output_mode: 3 }),
      node('Cast', ['position'], ['positionDouble'], { to: 11 }),
      node('Mul', ['positionDouble', 'frequency'], ['product']),
      node('Mod', ['product', 'turn'], ['remainder'], { fmod: 1 }),
      node('Cast', ['remainder'], ['angle'], { to: 1 }),
    ],
    initializers: [
      { name: 'frequency', type: 'float64', shape: [], data: new Uint8Array(new Float64Array([0.7]).buffer) },
      { name: 'turn', type: 'float64', shape: [], data: new Uint8Array(new Float64Array([2 * Math.PI]).buffer) },
    ],
    inputs: [
      { name: 'q', type: 'float32', shape: [1, 4, 3, 4] },
      { name: 'k', type: 'float32', shape: [1, 2, 3, 4] },
      { name: 'v', type: 'float32', shape: [1, 2, 3, 4] },
      { name: 'position', type: 'int64', shape: [3] },
    ],
    outputs,
  });
}

/** Positions beyond what single precision can turn into an angle. */
export const positions = [7, 1_000_003, 123_456_789];

export const operatorFeeds = (): Record<string, HostTensor> => ({
  q: float32([1, 4, 3, 4], 0.9),
  k: float32([1, 2, 3, 4], 0.5),
  v: float32([1, 2, 3, 4], 0.2),
  position: { type: 'int64', shape: [3], data: new BigInt64Array(positions.map(BigInt)) },
});
