import { InputError } from '../../error.ts';
import type { Mechanism, MechanismFile } from '../mechanism.ts';
import { firstAngles } from '../positions/lrpe.ts';
import {
  type LightningOptions,
  type LightningSettings,
  lightningDecoding,
  lightningLayer,
} from '../recurrent/lightning-layer.ts';

const defaults: LightningSettings = {
  ...{ decay: 'transnormer', positions: 'lrpe-first', features: 'silu', values: 'plain' },
  ...{ gate: 'linear', norm: 'srms', packed: 'by-part', block: 64 },
};

/**
 * Lightning attention (2405.17381, 2401.04658; the attention of TransNormerLLM, 2307.14995): causal linear attention whose heads forget at rates of
 * their own, without a softmax, a denominator or 1/√D, normed over all heads and gated by the stream.
 *
 *     o_t = Σ_{s ≤ t} λ^(t−s) (φ(q_t) · φ(k_s)) v_s;  recurrent: S_t = λ S_{t−1} + k_t ⊗ v_t,  o_t = q_t S_t;  out = W_o (norm(o) ⊙ u)
 *
 * q, k, v, u: [B, T, H, D] of one joint projection, a key and a value for every query head (G of the site is not used), R = 1. Watched, the
 * quadratic form shows λ^(t−s) φ(q_t) · φ(k_s) as its pattern: signed, rows of any sum. Unwatched, blocks and a state between them. Decoding keeps
 * the state [B, H, D, D] alone (twice as tall with LRPE). A window, an additive bias or a bidirectional prefix has no meaning here and is refused.
 */
export function lightningAttention(options: LightningOptions = {}): Mechanism {
  const settings = { ...defaults, ...options };
  if (!Number.isSafeInteger(settings.block) || settings.block < 1)
    throw new InputError(`lightning attention: block must be a whole number of at least 1, got ${settings.block}`);
  return {
    name: nameOf(settings),
    source: '2405.17381',
    rows: 'any',
    attention: (site) => lightningLayer(site, settings),
    decoding: (site) => lightningDecoding(site, settings),
    initial(name, [H, D]) {
      return name.endsWith('self_attn.lrpe.theta') ? Float32Array.from(firstAngles(H!, D!)) : undefined;
    },
  };
}

/** The linear layers of MiniMax-01, 2501.08313: no positions but the decay, SiLU on all three, RMSNorm with a weight, a sigmoid gate. */
export function miniMaxLightning({ block = 256 }: Pick<LightningOptions, 'block'> = {}): Mechanism {
  return {
    ...lightningAttention({
      ...{
        decay: 'minimax',
        positions: 'decay',
        values: 'silu',
        gate: 'sigmoid',
        norm: 'rms',
        packed: 'by-head',
        block,
      },
    }),
    name: 'lightning: MiniMax',
    source: '2501.08313',
  };
}

function nameOf(settings: LightningSettings): string {
  const changed = (['decay', 'positions', 'features', 'values', 'gate', 'norm', 'packed', 'block'] as const).filter(
    (key) => settings[key] !== defaults[key],
  );
  const parts = changed.map((key) => `${key} ${settings[key]}`);
  return `lightning: ${parts.length === 0 ? 'TransNormer' : parts.join(', ')}`;
}

export const mechanismFile: MechanismFile = {
  card: 'lightning-attention',
  title: 'Lightning attention',
  source: '2405.17381',
  idea: 'Causal linear attention whose heads forget at fixed rates, computed in blocks with one state between them: no softmax, so no row must put its weight anywhere.',
  equation: 'o_t = Σ_{s ≤ t} λ^(t−s) (φ(q_t) · φ(k_s)) v_s',
  example: "lightningAttention({ features: '1+elu' })",
  citations: [
    {
      authors: 'Zhen Qin, Weigao Sun, Dong Li, Xuyang Shen, Weixuan Sun, Yiran Zhong',
      title: 'Various Lengths, Constant Speed: Efficient Language Modeling with Lightning Attention',
      year: 2024,
      arxiv: '2405.17381',
    },
  ],
  variants: [
    { mechanism: lightningAttention, sink: 'gone' },
    { mechanism: miniMaxLightning, sink: 'gone' },
    {
      mechanism: () => lightningAttention({ positions: 'site', values: 'silu', norm: 'layer', gate: 'bottleneck' }),
      sink: 'gone',
    },
    { mechanism: () => lightningAttention({ features: '1+elu' }), sink: 'gone' },
    { mechanism: () => lightningAttention({ decay: 'none' }), sink: 'open' },
    { mechanism: () => lightningAttention({ gate: 'none' }), sink: 'gone' },
  ],
};
