/**
 * Gated attention, 2505.06708: a gate made from the token's own stream multiplies (or adds to) one value inside attention.
 *
 * Idea: a softmax row must sum to one, so a head that wants to contribute nothing parks its mass on a sink; a gate on what the head gives
 * out lets it give nothing instead, and puts a non-linearity between the value and output projections.
 *
 *     y' = y ⊙ σ(x W)     x [B, T, M]: the normalised stream that queries, keys and values are made from
 *
 * y is one of five values: the heads' outputs z [B, T, G, R, D] before the output projection (`sdpa-output`, G1, the best one: the query's
 * own token decides), v [B, S, G, D] (`value`, G2: the key's token decides, and the gated value is what a cache holds), k (`key`, G3),
 * q (`query`, G4), or the block's output [B, T, M] (`dense-output`, G5). W has no bias.
 *
 * Rows of the pattern still sum to one: what a gated head takes from each key is `gatedPattern`. Only a gate that depends on the token and
 * can come near zero removes sinks; `ns-sigmoid` and `inputIndependent` are the controls. The side of head norms on which the gates of
 * queries and keys stand, and whether a shared gate is averaged before or after its activation, are not stated: before, and after.
 */
import { type GatedOptions, type GateSettings, gateSettings } from '../gates/gate-options.ts';
import { gatedLayer } from '../gates/gated.ts';
import type { Mechanism, MechanismFile } from '../mechanism.ts';
import { softmaxSteps } from '../normalisers/softmax.ts';

export type { GatedOptions } from '../gates/gate-options.ts';

/**
 * Softmax attention with a gate: `gated({ position: 'sdpa-output' })` is the form that Qwen3-Next ships (stored there with
 * `layout: 'query-head', headNorms: { offset: 1 }`). Throws an InputError for options that contradict each other.
 */
export function gated(options: GatedOptions): Mechanism {
  const settings = gateSettings(options);
  return {
    name: `gated: ${describeGate(settings)}`,
    source: '2505.06708',
    rows: 'one',
    attention: (site) =>
      gatedLayer(site, settings, (output) =>
        softmaxSteps({ scale: site.sizes.D ** -0.5, window: site.window, output }),
      ),
    // Head norms that add one to what is stored start at 0.
    ...(settings.headNorms?.offset === 1
      ? {
          initial: (name, shape) =>
            /\.[qk]_norm\.weight$/.test(name) ? new Float32Array(shape.reduce((a, b) => a * b, 1)) : undefined,
        }
      : {}),
  };
}

/** Position and what differs from the default: `sdpa-output, head-wise`. */
export function describeGate(settings: GateSettings): string {
  const { position, alone, granularity, sharing, combine, activation, inputIndependent, layout, headNorms } = settings;
  const usual = combine === 'additive' ? 'silu' : 'sigmoid';
  const parts = alone
    ? [`${alone === 'silu' ? 'SiLU' : 'RMSNorm'} only`]
    : [
        ...(position === 'dense-output' ? [] : [sharing === 'shared' ? 'shared' : granularity]),
        ...(combine === 'additive' || activation !== usual ? [`${combine} ${activation}`] : []),
        ...(inputIndependent ? ['input-independent'] : []),
        ...(layout === 'key-value-group' ? [] : [`${layout} layout`]),
        ...(headNorms && (position === 'key' || position === 'query') ? [settings.order.replaceAll('-', ' ')] : []),
      ];
  return [position, ...parts].join(', ');
}

export const mechanismFile: MechanismFile = {
  card: 'gated-attention',
  title: 'Gated attention',
  source: '2505.06708',
  idea: 'A sigmoid gate from the query token multiplies what each head gives out, so a head can give nothing without a sink.',
  equation: "z' = z ⊙ σ(x W)",
  example: "gated({ position: 'sdpa-output' })",
  citations: [
    {
      authors: 'Qiu, Wang, Zheng, Huang et al.',
      title: 'Gated Attention for Large Language Models: Non-linearity, Sparsity, and Attention-Sink-Free',
      year: 2025,
      arxiv: '2505.06708',
    },
  ],
  variants: [
    { mechanism: () => gated({ position: 'sdpa-output' }), sink: 'gone' },
    { mechanism: () => gated({ position: 'sdpa-output', granularity: 'head-wise' }), sink: 'gone' },
    { mechanism: () => gated({ position: 'sdpa-output', sharing: 'shared' }), sink: 'gone' },
    { mechanism: () => gated({ position: 'sdpa-output', activation: 'silu' }), sink: 'open' },
    { mechanism: () => gated({ position: 'sdpa-output', combine: 'additive' }), sink: 'keeps' },
    { mechanism: () => gated({ position: 'sdpa-output', combine: 'additive', activation: 'identity' }), sink: 'open' },
    { mechanism: () => gated({ position: 'sdpa-output', activation: 'ns-sigmoid' }), sink: 'keeps' },
    { mechanism: () => gated({ position: 'sdpa-output', inputIndependent: true }), sink: 'keeps' },
    { mechanism: () => gated({ position: 'sdpa-output', activation: 'silu-only' }), sink: 'open' },
    { mechanism: () => gated({ position: 'value' }), sink: 'keeps' },
    { mechanism: () => gated({ position: 'value', granularity: 'head-wise' }), sink: 'keeps' },
    { mechanism: () => gated({ position: 'key' }), sink: 'open' },
    { mechanism: () => gated({ position: 'query' }), sink: 'open' },
    { mechanism: () => gated({ position: 'dense-output' }), sink: 'gone' },
  ],
};
