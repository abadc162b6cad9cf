/** Symbolic tensors: named axes that the compiler checks, one definition per operator, lowering to ONNX. */
export { canonical } from './axes.ts';
export { Dim, type Size } from './dim.ts';
export { gradients } from './gradient.ts';
export { type Graph, type GraphInput, lower, type Output } from './graph.ts';
export type { LoweringOptions, WeightStorage } from './lowering.ts';
export * from './ops/along.ts';
export * from './ops/attention.ts';
export * from './ops/cross-entropy.ts';
export * from './ops/dot.ts';
export * from './ops/elementwise.ts';
export { isSame, mark, stopGradient, straightThrough } from './ops/flow.ts';
export * from './ops/reduce.ts';
export { roll } from './ops/roll.ts';
export * from './ops/select.ts';
export { expand, merge, rename, split } from './ops/shape.ts';
export { type Axes, constant, extent, input, iota, scalar, weight } from './ops/source.ts';
export { addAlong, takeAlong } from './ops/take-along.ts';
export { type DType, describe, type Literal, size, sizes, type Tensor, type Within } from './tensor.ts';
