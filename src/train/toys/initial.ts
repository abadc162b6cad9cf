import type { Mechanism } from '../../attention/mechanism.ts';
import type { Initial } from '../task.ts';

/**
 * Initial values as PyTorch's modules have them: lookup tables N(0, 1), matrices with variance 1 / (3 · inputs) where the last axis is the
 * inputs, norms one, everything else zero. The cards' figures were measured with those.
 */
export const moduleDefaults: Initial = (name, shape, random) => {
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
  if (shape.length === 1) return values.fill(/norm|^ln/.test(name) ? 1 : 0);
  const deviation = /(^|\.)(embed|position)/.test(name) ? 1 : (3 * shape.at(-1)!) ** -0.5;
  for (let i = 0; i < values.length; i++) values[i] = deviation * random();
  return values;
};

/** A mechanism's own initial values where it has any, else those of the modules. */
export const initialOf =
  (mechanism: Mechanism | ((layer: number) => Mechanism) | undefined): Initial =>
  (name, shape, random) => {
    const layer = Number(/\blayers\.(\d+)\./.exec(name)?.[1] ?? 0);
    const chosen = typeof mechanism === 'function' ? mechanism(layer) : mechanism;
    // Mechanisms know their tensors by the names in a decoder; a toy of one head has `attn.` alone.
    const usual = name.replace(/^attn\./, 'self_attn.');
    return chosen?.initial?.(usual, shape, random) ?? moduleDefaults(name, shape, random);
  };
