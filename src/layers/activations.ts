import { add, erf, multiply, power, relu, sigmoid, silu, type Tensor, tanh } from '../tensor/index.ts';

type Activation = <A extends string>(x: Tensor<A>) => Tensor<A>;

/** x · Φ(x), exact by the error function (1606.08415). */
const gelu: Activation = (x) => multiply(multiply(x, 0.5), add(erf(multiply(x, Math.SQRT1_2)), 1));

/** GELU by its tanh approximation: x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))). */
const geluTanh: Activation = (x) => {
  const cubic = multiply(add(multiply(multiply(x, x), 0.044715), 1), x);
  return multiply(multiply(x, 0.5), add(tanh(multiply(cubic, Math.sqrt(2 / Math.PI))), 1));
};

/** x · σ(1.702 x), the approximation of GELU that CLIP was trained with. */
const quickGelu: Activation = (x) => multiply(x, sigmoid(multiply(x, 1.702)));

/** max(x, 0)² (2109.08668). */
const reluSquared: Activation = (x) => power(relu(x), 2);

/** Activations under the names that configurations use. */
export const activations = {
  silu,
  swish: silu,
  gelu,
  gelu_new: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  gelu_fast: geluTanh,
  quick_gelu: quickGelu,
  relu,
  relu2: reluSquared,
} as const satisfies Record<string, Activation>;

export type ActivationName = keyof typeof activations;
export const activationNames = Object.keys(activations) as ActivationName[];
