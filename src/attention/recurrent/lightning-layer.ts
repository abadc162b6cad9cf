import { InputError } from '../../error.ts';
import {
  add,
  Dim,
  dot,
  expand,
  iota,
  multiply,
  pick,
  rename,
  select,
  silu,
  size,
  type Tensor,
  weight,
} from '../../tensor/index.ts';
import { attention } from '../attention.ts';
import type { DecodingLayer } from '../decoding.ts';
import type { AttentionLayer } from '../layer.ts';
import type { MechanismSite } from '../mechanism.ts';
import { kernels } from '../normalisers/kernels.ts';
import type { Places } from '../places.ts';
import { type DecayName, decayRates } from '../positions/decay-rates.ts';
import { linearisedPositions } from '../positions/lrpe.ts';
import type { AttentionGiven, AttentionSteps, Keys, Queries, Values } from '../steps.ts';
import { isWholeText } from '../whole-text.ts';
import { chunkedLightning, type DecayedState, decayed, decayMask, outerProduct, readState } from './lightning.ts';
import { gatedOutput, type LightningGate, type LightningNorm, normOfAllHeads, outputGate } from './lightning-output.ts';

export interface LightningOptions {
  /** λ of each head and layer; `none` is plain causal linear attention. Default `transnormer`. */
  readonly decay?: DecayName;
  /**
   * Where positions enter beside the decay: learned angles (LRPE) in the first layer or in all, which replace what the site has; what the site has
   * (RoPE); or nowhere else. Default `lrpe-first`.
   */
  readonly positions?: 'lrpe-first' | 'lrpe' | 'site' | 'decay';
  /** φ of q and k. Default `silu`. `1+elu` is reported to end in NaN at 7B. */
  readonly features?: 'silu' | '1+elu' | 'identity';
  /** SiLU on v too (the example beside the kernels; MiniMax). Default `plain`. */
  readonly values?: 'plain' | 'silu';
  /** What multiplies the normed heads: x W_u, its sigmoid, a sigmoid through a bottleneck of width D, or nothing. Default `linear`. */
  readonly gate?: LightningGate;
  /** Norm over all heads before the gate. Default `srms`. */
  readonly norm?: LightningNorm;
  /** Order of the joint projection: q, k, v (u) one after another, or within each head (MiniMax). Default `by-part`. */
  readonly packed?: 'by-part' | 'by-head';
  /** Tokens in a block of the chunked form, at least 1. Default 64. */
  readonly block?: number;
}

export type LightningSettings = Required<LightningOptions>;

const maps = { silu, '1+elu': kernels.eluPlusOne, identity: kernels.identity };

/** Rates of decay, and the projections as they are stored. */
function partsOf(site: MechanismSite, settings: LightningSettings) {
  const { at, sizes, layer, layers, position, window } = site;
  if (window !== undefined)
    throw new InputError(`lightning attention: window is ${window}, but a state of all tokens has none; use decay`);
  if (settings.positions === 'site' && position.bias)
    throw new InputError(
      'lightning attention: position.bias is given, but biases are added to exponents and there is none; use RoPE',
    );
  const { H, D, M } = sizes;
  const J = settings.gate === 'linear' ? 4 : 3;
  const name = at(`self_attn.${J === 4 ? 'qkvu_proj' : 'qkv_proj'}.weight`);
  const joint = weight(
    name,
    (settings.packed === 'by-part' ? { J, G: H, D, M } : { G: H, J, D, M }) as {
      J: number;
      G: number;
      D: number;
      M: number;
    },
  );
  const part = <A extends string>(x: Tensor<A | 'M'>, index: number) =>
    dot(x as Tensor<'M'>, pick(joint, 'J', index), 'M') as unknown as Tensor<A | 'G' | 'D'>;
  const lrpe = settings.positions === 'lrpe' || (settings.positions === 'lrpe-first' && layer === 0);
  return {
    part,
    rates: decayRates(settings.decay, { H, layer, layers }),
    theta: lrpe ? weight(at('self_attn.lrpe.theta'), { G: H, D }) : undefined,
  };
}

interface Before {
  readonly state: DecayedState;
  /** Takes the state after this token. */
  readonly after: (state: DecayedState) => void;
}

/** @param before the state before the one token that is given; then there are no other keys */
export function lightningLayer(site: MechanismSite, settings: LightningSettings, before?: Before): AttentionLayer {
  const { at, sizes, position } = site;
  const { part, rates, theta } = partsOf(site, settings);
  const map = maps[settings.features];
  return attention({
    q: (x) => expand(map(part<'B' | 'T'>(x, 0)), { R: 1 }),
    k: (x) => map(part<'B' | 'S'>(x, 1)),
    v: (x) => (settings.values === 'silu' ? silu(part<'B' | 'S'>(x, 2)) : part<'B' | 'S'>(x, 2)),
    ...(settings.positions === 'site' ? { rotary: position.rotary } : {}),
    steps(given): AttentionSteps {
      const { x, places, hook } = given;
      if (places.prefix !== undefined)
        throw new InputError(
          'lightning attention: places.prefix is given, but a state that is carried forward sees no later token',
        );
      const placed = <A extends string>(y: Tensor<A>, positions: Places['queryPositions'] | Places['keyPositions']) =>
        theta === undefined ? y : (linearisedPositions(y as never, positions as never, theta) as unknown as Tensor<A>);
      const q = (y: Queries) => placed(y, places.queryPositions);
      const k = (y: Keys) => placed(y, places.keyPositions);
      const real = (v: Values) => (places.keyIsReal ? select(places.keyIsReal, v, 0) : v);
      const parallel = (pattern: Parameters<AttentionSteps['mix']>[0], v: Values) => dot(pattern, v, 'S');
      const mask: AttentionSteps['mask'] = (scores, where) => multiply(scores, decayMask(rates, where));
      const scores: AttentionSteps['scores'] = (one, other) => dot(q(one), k(other), 'D');
      return {
        scores,
        mask,
        normalise: (pattern) => ({ pattern }),
        mix: before === undefined ? parallel : (pattern, v) => continued(before, parallel(pattern, v), v),
        output: (z) => output(z, x, hook),
        ...(before === undefined
          ? {
              fused: (one, other, v, where) =>
                isWholeText(where) && (size(one, 'T').constant ?? 0) > settings.block
                  ? chunkedLightning(q(one), k(other), real(v), rates, settings.block)
                  : parallel(mask(scores(one, other), where), v),
            }
          : {}),
      };

      /** What the one token's own key and value give, and what the tokens before it left. */
      function continued({ state, after }: Before, own: Queries, v: Values): Queries {
        const older = decayed(state, rates);
        after(add(older, outerProduct(k(given.k), v)));
        return add(own, readState(q(given.q), older));
      }
    },
  });

  function output(z: Queries, x: AttentionGiven['x'], hook: AttentionGiven['hook']) {
    const { gate, norm } = settings;
    const normed = normOfAllHeads(z, norm, at('self_attn.norm'), sizes);
    const linearGate = () => part<'B' | 'T'>(x, 3);
    const made =
      gate === 'none'
        ? undefined
        : gate === 'linear'
          ? linearGate()
          : outputGate(x, gate, at('self_attn.output_gate'), sizes);
    return gatedOutput(normed, made, at('self_attn.out_proj'), sizes, hook);
  }
}

/** One token at a time: the state alone is kept, [B, H, D or 2 D, D] whatever the length of the text. */
export function lightningDecoding(site: MechanismSite, settings: LightningSettings): DecodingLayer {
  const { H, D } = site.sizes;
  const { theta } = partsOf(site, settings);
  return {
    state: () => ({ state: { B: Dim.of('B'), G: H, Feature: theta === undefined ? D : 2 * D, D } }),
    step(x, { state }, past, hook) {
      let next: DecayedState | undefined;
      const after = (value: DecayedState) => {
        next = value;
      };
      const layer = lightningLayer(site, settings, { state: state as unknown as DecayedState, after });
      const index = add(iota('T', 1), past.index);
      const key = rename(index, 'T', 'S');
      const here: Places = { queries: index, queryPositions: index, keys: key, keyPositions: key };
      const kv = layer.keysAndValues(rename(x, 'T', 'S'), here, hook);
      const output = layer.attend(x, kv, here, hook);
      return { output, state: { state: next as unknown as Tensor<string> } };
    },
  };
}
