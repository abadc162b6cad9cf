/**
 * Affine-scaled attention, 2602.23057: softmax weights scaled by the query's token and shifted by a constant.
 *
 * Idea: a softmax row must give away exactly one unit of attention. Here each query and head scales its row by α, and a small β on every
 * key makes up for how far α is from its usual value, so that a head can attend less without a sink.
 *
 *     w_tj = α_t · softmax_j(q_t · k_j / √D) + β_t  on the keys j ≤ t,   β_t = (ᾱ − α_t) / N
 *     α = φ(x W) [B, T, G, R], φ(x) = min(1, max(0, x/10 + ½)),   ᾱ ← 0.9 ᾱ + 0.1 · mean(α) a training step, from 0   [G, R]
 *
 * Weights may be negative: they are no probabilities, and rows sum to α + n (ᾱ − α) / N with n keys seen. The paper does not say what N is,
 * and everything hangs on it: with the length of the training context (`fixed`) rows are free; with n (`causal`) every row sums to ᾱ, a
 * constant, and the sink stays; with the length of the text at hand (`sequence`) a token's output depends on how much text follows it, so that
 * token by token is not the whole text. Shape of α and the running mean a head: from the paper's parameter counts, and ours.
 */
import { InputError } from '../../error.ts';
import { attention } from '../attention.ts';
import { type AffineSettings, affineSteps, scaleFunctions } from '../gates/affine-scale.ts';
import { type GateSettings, gateSettings, type OutputGateOptions } from '../gates/gate-options.ts';
import { type GatedSteps, gatedLayer } from '../gates/gated.ts';
import type { Mechanism, MechanismFile } from '../mechanism.ts';
import { softmaxSteps } from '../normalisers/softmax.ts';
import { projections } from '../projections.ts';
import { describeGate } from './gated-attention.ts';

export type AffineScaledOptions = {
  /** φ, from x W to α. Default `linear-clipping`. */
  readonly scale?: AffineSettings['scale'];
  /** A gate on the heads' outputs as well, as in gated attention. Default: none. */
  readonly gate?: OutputGateOptions;
} & (
  | {
      /** N: the context of training (default), the keys of the text at hand, or the keys that the query sees. */
      readonly length?: 'fixed' | 'sequence' | 'causal';
      /** One running mean of α for each head (default) or one for the layer. */
      readonly runningMean?: 'head' | 'layer';
      /** Of the running mean, 0 to below 1. Default 0.9. */
      readonly momentum?: number;
    }
  | {
      /** β = 0: scale alone. */
      readonly length: 'none';
    }
);

const allowed = {
  scale: Object.keys(scaleFunctions),
  length: ['fixed', 'sequence', 'causal', 'none'],
  runningMean: ['head', 'layer'],
};

function affineSettings(options: AffineScaledOptions): AffineSettings {
  const { gate: _, ...given } = options as { readonly [option: string]: unknown };
  for (const [option, value] of Object.entries(given)) {
    const values = allowed[option as keyof typeof allowed];
    if (values && value !== undefined && !values.includes(value as string))
      throw new InputError(`affine-scaled: ${option} ${JSON.stringify(value)} is not one of ${values.join(', ')}`);
    if (!values && option !== 'momentum') throw new InputError(`affine-scaled: ${option} is not an option`);
    if (given.length === 'none' && (option === 'momentum' || option === 'runningMean') && value !== undefined)
      throw new InputError(`affine-scaled: ${option} ${JSON.stringify(value)} has no meaning with length none (β = 0)`);
  }
  const {
    scale = 'linear-clipping',
    length = 'fixed',
    runningMean = 'head',
    momentum = 0.9,
  } = options as Partial<AffineSettings>;
  if (!(momentum >= 0 && momentum < 1))
    throw new InputError(`affine-scaled: momentum must be at least 0 and below 1, got ${momentum}`);
  return { scale, length, runningMean, momentum };
}

/**
 * Softmax attention with affine-scaled weights. `self_attn.alpha_proj` is W; `self_attn.alpha_ma` is the running mean, saved with the
 * weights, updated in training alone. Throws an InputError for options that contradict each other or are outside their range.
 */
export function affineScaled(options: AffineScaledOptions = {}): Mechanism {
  const settings = affineSettings(options);
  const gate = options.gate && gateSettings({ position: 'sdpa-output', ...options.gate });
  return {
    name: describe(settings, gate),
    source: '2602.23057',
    // Without β a row sums to α; with β to anything.
    rows: settings.length === 'none' ? 'part' : 'any',
    attention(site) {
      const { at, sizes, window } = site;
      const steps: GatedSteps = (output, given) =>
        affineSteps(softmaxSteps({ scale: sizes.D ** -0.5, window, output }), site, given, settings);
      if (gate) return gatedLayer(site, gate, steps);
      const { output, ...project } = projections(at, sizes, { inputs: false, output: false });
      return attention({ ...project, ...site.position, steps: (given) => steps(output, given) });
    },
  };
}

function describe({ scale, length, runningMean, momentum }: AffineSettings, gate: GateSettings | undefined): string {
  const parts = [
    length === 'none' ? 'no shift' : `N ${length}`,
    ...(scale === 'linear-clipping' ? [] : [scale]),
    ...(runningMean === 'head' ? [] : ['one running mean']),
    ...(momentum === 0.9 ? [] : [`momentum ${momentum}`]),
    ...(gate ? [`gated ${describeGate(gate)}`] : []),
  ];
  return `affine-scaled: ${parts.join(', ')}`;
}

const laterTokens = 'N is the length of the text at hand, so an output depends on how many tokens follow';

export const mechanismFile: MechanismFile = {
  card: 'affine-scaled-attention',
  title: 'Affine-scaled attention',
  source: '2602.23057',
  idea: 'A scale from the query token lets a head attend less than one; a small shift on every key makes up for it on average.',
  equation: 'w = α · softmax(s) + (ᾱ − α) / N',
  example: "affineScaled({ scale: 'sigmoid' })",
  citations: [
    {
      authors: 'Bae, Park, Park, Kim, Lee et al.',
      title: 'Affine-Scaled Attention: Towards Flexible and Stable Transformer Attention',
      year: 2026,
      arxiv: '2602.23057',
    },
  ],
  variants: [
    { mechanism: () => affineScaled(), sink: 'gone' },
    { mechanism: () => affineScaled({ length: 'none' }), sink: 'gone' },
    { mechanism: () => affineScaled({ length: 'causal' }), sink: 'keeps' },
    { mechanism: () => affineScaled({ length: 'sequence' }), sink: 'gone', except: { decoding: laterTokens } },
    { mechanism: () => affineScaled({ scale: 'sigmoid' }), sink: 'open' },
    { mechanism: () => affineScaled({ gate: { granularity: 'head-wise' } }), sink: 'gone' },
  ],
};
