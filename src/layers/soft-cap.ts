import { divide, multiply, type Tensor, tanh } from '../tensor/index.ts';

/** cap · tanh(x / cap): values stay below the cap (Gemma 2, 2408.00118). Without a cap x itself. */
export function softCap<A extends string>(x: Tensor<A>, cap: number | undefined): Tensor<A> {
  return cap === undefined ? x : multiply(tanh(divide(x, cap)), cap);
}
