import { InputError } from '../../error.ts';
import { type Axes, add, constant, dot, multiply, pad, type Tensor, type Within, weight } from '../../tensor/index.ts';
import { layerWithSteps } from '../layer-with-steps.ts';
import type { Mechanism, MechanismSite } from '../mechanism.ts';
import type { AttentionSteps, Queries } from '../steps.ts';
import { nullColumnSteps } from './null-column.ts';
import { softmaxSteps } from './softmax.ts';

/** Value of the null column: nothing, learned, or fixed with this norm along the first component or along all of them alike. */
export type NullValue = 'zero' | 'learned' | { readonly along: 'first' | 'all'; readonly norm: number };

export interface ValueBiasOptions {
  /** One vector for all heads of a layer instead of one for each query head. Default false. */
  readonly shared?: boolean;
}

export interface KeyBiasOptions extends ValueBiasOptions {
  /** Default zero: the K bias. `learned` is the KV bias. */
  readonly value?: NullValue;
  /** Components of k* that are learned, from the first on; the others are 0. From 1 to D. Default D. */
  readonly learned?: number;
}

/**
 * A learned key k* beside the keys, seen by every query, after RoPE and without a position: softmax over [s, q · k* / √D],
 * o = Σ w_j v_j + w_null v* (Sun et al., 2402.17762; Gu et al., 2410.10781). `self_attn.k_bias` and `self_attn.v_bias` [G, R, D] or [D], from
 * N(0, 0.02²).
 */
export function keyBias({ value = 'zero', shared = false, learned }: KeyBiasOptions = {}): Mechanism {
  if (learned !== undefined && !(Number.isSafeInteger(learned) && learned >= 1))
    throw new InputError(`key bias: learned must be a whole number of at least 1, got ${learned}`);
  if (typeof value === 'object' && !Number.isFinite(value.norm))
    throw new InputError(`key bias: value.norm must be a finite number, got ${value.norm}`);
  return {
    name: nameOf({ value, shared, ...(learned === undefined ? {} : { learned }) }),
    source: '2410.10781',
    rows: 'part',
    attention(site) {
      const { D } = site.sizes;
      if (learned !== undefined && learned > D)
        throw new InputError(`key bias: learned must be at most the head width D = ${D}, got ${learned}`);
      const stored = biasVector(site, 'k_bias', { shared, width: learned ?? D });
      const key = learned === undefined ? stored : pad(stored, 'D', 0, D - learned);
      return layerWithSteps(site, (options, { q }) =>
        nullColumnSteps({
          ...options,
          logits: multiply(dot(q, key, 'D'), options.scale),
          value: nullValue(site, value, shared),
        }),
      );
    },
    initial: smallBiases,
  };
}

/**
 * Softmax attention and a learned vector on what each head gives out, o = Σ w_j v_j + v*: the control of the key biases, it does not touch
 * the weights (2410.10781). `self_attn.v_bias` [G, R, D] or [D], from N(0, 0.02²).
 */
export function valueBias({ shared = false }: ValueBiasOptions = {}): Mechanism {
  return {
    name: `V bias${shared ? ', shared by heads' : ''}`,
    source: '2410.10781',
    rows: 'one',
    attention(site) {
      const bias = biasVector(site, 'v_bias', { shared, width: site.sizes.D });
      const plus = (z: Queries) => add(z, bias as Within<'G' | 'R' | 'D'>);
      return layerWithSteps(site, (options): AttentionSteps => {
        const { mix, fused, ...steps } = softmaxSteps(options);
        return { ...steps, mix: (...given) => plus(mix(...given)), fused: (...given) => plus(fused!(...given)) };
      });
    },
    initial: smallBiases,
  };
}

function nameOf({ value, shared, learned }: KeyBiasOptions): string {
  const parts = [value === 'learned' ? 'KV bias' : 'K bias'];
  if (typeof value === 'object') parts.push(`value of norm ${value.norm} along ${value.along}`);
  if (shared) parts.push('shared by heads');
  if (learned !== undefined) parts.push(`${learned} learned`);
  return parts.join(', ');
}

function biasVector(
  { at, sizes: { H, G } }: MechanismSite,
  name: 'k_bias' | 'v_bias',
  { shared, width }: { readonly shared: boolean; readonly width: number },
): Tensor<'G' | 'R' | 'D'> {
  const axes = shared ? { D: width } : { G, R: H / G, D: width };
  return weight(at(`self_attn.${name}`), axes as Axes<'G' | 'R' | 'D'>);
}

function nullValue(site: MechanismSite, value: NullValue, shared: boolean): Within<'G' | 'R' | 'D'> | undefined {
  const { D } = site.sizes;
  if (value === 'zero') return undefined;
  if (value === 'learned') return biasVector(site, 'v_bias', { shared, width: D });
  const { along, norm } = value;
  const component = (i: number) => (along === 'all' ? norm * D ** -0.5 : i === 0 ? norm : 0);
  return constant(
    Array.from({ length: D }, (_, i) => component(i)),
    { D },
  );
}

const smallBiases: NonNullable<Mechanism['initial']> = (name, shape, random) =>
  /\.[kv]_bias$/.test(name)
    ? Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 0.02 * random())
    : undefined;
