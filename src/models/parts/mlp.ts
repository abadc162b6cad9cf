import type { Stream } from '../../attention/steps.ts';
import { type ActivationName, activations } from '../../layers/activations.ts';
import { type LinearOptions, linear } from '../../layers/linear.ts';
import { multiply, type Tensor } from '../../tensor/index.ts';
import type { BlockTap } from '../hooks.ts';

/** Feed-forward part of a block: from the normalised stream to what is added to the residual. */
export type Mlp = (x: Stream, hook: BlockTap) => Stream;

export interface MlpSizes {
  readonly F: number;
  readonly M: number;
}

/** `linear`: none. */
export type MlpActivation = ActivationName | 'linear';

const activate = (x: Tensor<'B' | 'T' | 'F'>, activation: MlpActivation) =>
  activation === 'linear' ? x : activations[activation](x);

/** act(x · gate) ⊙ (x · up), then down (SwiGLU and its kin, 2002.05202; SGLU, 2307.14995, where the activation is linear). */
export function gatedMlp(
  at: (name: string) => string,
  { F, M }: MlpSizes,
  activation: MlpActivation,
  options: LinearOptions = {},
): Mlp {
  return (x, hook) => {
    const gate = hook('mlp.hook_pre', linear(x, at('mlp.gate_proj'), { F }, { M }, options));
    const up = linear(x, at('mlp.up_proj'), { F }, { M }, options);
    const hidden = hook('mlp.hook_post', multiply(activate(gate, activation), up));
    return hook('mlp.hook_out', linear(hidden, at('mlp.down_proj'), { M }, { F }, options));
  };
}

/** act(x · up) · down, both with biases. */
export function plainMlp(
  names: { readonly up: string; readonly down: string },
  { F, M }: MlpSizes,
  activation: MlpActivation,
  options: LinearOptions = {},
): Mlp {
  return (x, hook) => {
    const before = hook('mlp.hook_pre', linear(x, names.up, { F }, { M }, { bias: true, ...options }));
    const hidden = hook('mlp.hook_post', activate(before, activation));
    return hook('mlp.hook_out', linear(hidden, names.down, { M }, { F }, { bias: true, ...options }));
  };
}
