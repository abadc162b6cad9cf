import { additive } from '../../attention/places.ts';
import { type Rotary, rotate } from '../../attention/positions/rope.ts';
import { activations } from '../../layers/activations.ts';
import { linear } from '../../layers/linear.ts';
import { rmsNorm } from '../../layers/norms.ts';
import {
  add,
  concat,
  constant,
  cos,
  dot,
  equal,
  expand,
  gather,
  multiply,
  rename,
  sin,
  sizes as sizesOf,
  softmax,
  subtract,
  type Tensor,
  type Within,
  weight,
} from '../../tensor/index.ts';

/** Sizes of a small flow decoder. M = H · D. */
export interface FlowSizes {
  readonly L: number;
  readonly H: number;
  readonly D: number;
  readonly F: number;
  /** Tokens of a frame. */
  readonly tokens: number;
  /** Numbers of a latent token. */
  readonly latent: number;
  /** Numbers of the condition of a frame. */
  readonly condition: number;
}

/** Tokens that are denoised together. */
export interface FlowInput {
  /** z_t */
  readonly latents: Tensor<'B' | 'T' | 'latent'>;
  /** t, from 0 (clean) to 1 (noise). */
  readonly time: Within<'B' | 'T'>;
  /** Condition of the frame of each token. */
  readonly condition: Tensor<'B' | 'T' | 'condition'>;
  /** Clean latents that are given from outside (the first frame), zeros elsewhere; and where they are given, 0 or 1. */
  readonly given: Tensor<'B' | 'T' | 'latent'>;
  readonly isGiven: Within<'B' | 'T'>;
  /** Which token of its frame each is, int64. */
  readonly places: Tensor<'T'>;
  /** On the time axis, int64: the only one that is rotated. */
  readonly positions: Tensor<'T'>;
}

/** Keys and values of earlier chunks in one layer. Keys are not rotated, or rotated already and at position 0. */
export interface FlowContext {
  readonly k: Tensor<'B' | 'S' | 'H' | 'D'>;
  readonly v: Tensor<'B' | 'S' | 'H' | 'D'>;
  readonly positions: Tensor<'S'>;
  /** False where there is nothing. Default: everywhere something. */
  readonly visible?: Within<'T' | 'S'>;
}

export interface FlowOutput {
  /** v = z_1 − z_0 as the network takes it to be. */
  readonly velocity: Tensor<'B' | 'T' | 'latent'>;
  /** z_0 that follows: z_t − t · v. */
  readonly clean: Tensor<'B' | 'T' | 'latent'>;
  /** Of the tokens, by layer; keys not rotated. */
  readonly keysAndValues: readonly { readonly k: FlowContext['k']; readonly v: FlowContext['v'] }[];
  /** Attention of each layer, keys in the order of the contexts, own tokens last. */
  readonly patterns: readonly Tensor<'B' | 'H' | 'T' | 'S'>[];
}

/** RoPE of heads of width D: few frames are told apart, so angles fall from 1 to 1/100 of a radian a frame. */
export const flowRotary = (D: number): Rotary => ({
  frequencies: Array.from({ length: D >> 1 }, (_, i) => 100 ** (-i / (D >> 1))),
});

/**
 * A small decoder of flows over latent tokens (rectified flow, z_t = (1 − t) z_0 + t z_1), attention open in all directions among the tokens it
 * is given and to what is in its context: causal by chunks when a chunk is given at a time, with no mask (2511.01266). Time and conditions
 * are added to the embedded latents. Of the paper's network it leaves out what makes it large: text, tracks, image latents, adaptive norms,
 * RoPE on height and width (tokens of a frame have learned places).
 *
 * `visible` [T, S] limits what tokens see of each other. Parameters: `latent`, `given`, `condition`, `time`, `velocity`, `place`,
 * `layers.{i}.…`.
 */
export function flowDecoder(
  sizes: FlowSizes,
  input: FlowInput,
  context: (layer: number) => readonly FlowContext[] = () => [],
  visible?: Within<'T' | 'S'>,
): FlowOutput {
  const { L, H, D, F, tokens, latent, condition } = sizes;
  const M = H * D;
  const { latents, time, positions } = input;
  const rotary = flowRotary(D);
  const phase = multiply(
    time as Tensor<'B' | 'T'>,
    constant(
      [0.5, 1, 2, 4].map((n) => n * Math.PI),
      { J: 4 },
    ),
  );
  const waves = concat([cos(phase), sin(phase)], 'J');
  const timed = linear(waves, 'time', { M }, { J: 8 }) as unknown as Within<'B' | 'T' | 'M'>;
  const told = add(
    linear(input.given, 'given', { M }, { latent }),
    multiply(input.isGiven, weight('is_given', { M })) as Within<'B' | 'T' | 'M'>,
  );
  const placed = gather(weight('place.weight', { P: tokens, M }), input.places, 'P');
  let x: Tensor<'B' | 'T' | 'M'> = linear(latents, 'latent', { M }, { latent });
  x = add(x, linear(input.condition, 'condition', { M }, { condition }, { bias: true }));
  x = add(add(add(x, told), placed), timed);
  const keysAndValues: { k: FlowContext['k']; v: FlowContext['v'] }[] = [];
  const patterns: Tensor<'B' | 'H' | 'T' | 'S'>[] = [];
  for (let layer = 0; layer < L; layer++) {
    const name = (part: string) => `layers.${layer}.${part}`;
    const normed = rmsNorm(x, 'M', name('attention_norm'), { epsilon: 1e-5 });
    const keyed = rename(normed, 'T', 'S');
    const q = rotate(linear(normed, name('query'), { H, D }, { M }), positions, rotary);
    const k = linear(keyed, name('key'), { H, D }, { M });
    const v = linear(keyed, name('value'), { H, D }, { M });
    keysAndValues.push({ k, v });
    const own: FlowContext = { k, v, positions: rename(positions, 'T', 'S'), ...(visible ? { visible } : {}) };
    const seen = [...context(layer), own];
    const keys = concat(
      seen.map((part) => rotate(part.k, part.positions, rotary)),
      'S',
    );
    const scores = multiply(dot(q, keys, 'D'), D ** -0.5);
    const masked = seen.some((part) => part.visible) ? add(scores, maskOf(seen)) : scores;
    const pattern = softmax(masked, 'S') as Tensor<'B' | 'H' | 'T' | 'S'>;
    patterns.push(pattern);
    const mixed = dot(
      pattern,
      concat(
        seen.map((part) => part.v),
        'S',
      ),
      'S',
    );
    x = add(x, linear(mixed, name('output'), { M }, { H, D }));
    const hidden = linear(
      rmsNorm(x, 'M', name('mlp_norm'), { epsilon: 1e-5 }),
      name('up'),
      { F },
      { M },
      { bias: true },
    );
    x = add(x, linear(activations.silu(hidden), name('down'), { M }, { F }));
  }
  const velocity = linear(rmsNorm(x, 'M', 'final_norm', { epsilon: 1e-5 }), 'velocity', { latent }, { M });
  const clean = subtract(latents, multiply(velocity, time as Within<'B' | 'T' | 'latent'>));
  return { velocity, clean, keysAndValues, patterns };
}

/** 0 where a key is seen and −∞ elsewhere, along all contexts. */
function maskOf(seen: readonly FlowContext[]): Within<'T' | 'S'> {
  const masks = seen.map(({ visible, positions }) => (visible ?? equal(positions, positions)) as Tensor<'T' | 'S'>);
  const queries = masks.map((mask) => sizesOf(mask).get('T')).find((size) => size !== undefined);
  const whole = masks.map((mask) =>
    queries && !sizesOf(mask).has('T')
      ? (expand(mask as unknown as Tensor<'S'>, { T: queries }) as Tensor<'T' | 'S'>)
      : mask,
  );
  return additive(concat(whole, 'S'));
}
