import { InputError } from '../../error.ts';
import {
  add,
  concat,
  dot,
  multiply,
  sigmoid,
  slice,
  sqrt,
  subtract,
  sum,
  type Tensor,
  weight,
} from '../../tensor/index.ts';
import { attention } from '../attention.ts';
import type { AttentionLayer } from '../layer.ts';
import type { Mechanism, MechanismFile, MechanismSite } from '../mechanism.ts';
import { kernels } from '../normalisers/kernels.ts';
import { softmaxSteps } from '../normalisers/softmax.ts';
import type { Places } from '../places.ts';
import {
  type GoatPrior,
  goatPrior,
  priorInitial,
  type RelativePart,
  type SinkPart,
  spread,
} from '../positions/goat-prior.ts';
import { lags } from '../positions/position-bias.ts';
import { projections } from '../projections.ts';
import type { AttentionSteps, Keys, Queries } from '../steps.ts';

/**
 * Attention with trainable priors (GOAT), 2601.15380: softmax weights are a prior bent by content, so positions and sinks belong in a learned
 * log-prior K instead of in high-norm keys: w_ij = softmax_j(q_c·k_c / √d_c + K_ij), K_ij = K_rel(i − j) + u(j).
 *
 * The first d_c of the D channels of a head are content. The others hold K as an inner product (see `goatPrior`): queries
 * [√(D/d_c) q_c, √D q_K, √D], keys [k_c, k_K, u], so that an unmodified softmax attention with its 1/√D does everything and keys are cached
 * as they are. Values keep D channels. The rows of q_proj and k_proj that the prior takes stay stored without use.
 *
 * It takes the place of position encodings: what a site says about positions in attention is not used. One dimension and causal masks
 * only; the published layout for images is not built.
 */
export type GoatOptions = PriorShape & (TrainedPrior | { readonly start: 'frozen' });

interface PriorShape {
  /** Default rank 4, in heads of fewer than 18 channels as many as leave half of them to content. */
  readonly relative?: RelativePart;
  /** Default rank 4; `none`: no u(j). */
  readonly sink?: SinkPart | 'none';
}

interface TrainedPrior {
  /**
   * `seeded` (language models): α ~ N(0, 0.01²), slopes of recency 2^(−8h/G). `uniform`: a prior of zero to start with. Default `seeded`.
   * `frozen` is the negative control: the uniform start, never trained, K = 0.
   */
  readonly start?: 'seeded' | 'uniform';
  /** `query-norm`: K times σ(b − softplus(a) ‖q_c‖) of each query and head, so that strong content may put the prior aside. Default none. */
  readonly gate?: 'query-norm';
  /**
   * `explicit` adds K to the scores instead of packing it into channels: the same weights, `attn.hook_attn_scores` without the prior, no
   * fused operator. Default `packed`.
   */
  readonly form?: 'packed' | 'explicit';
}

/** Throws an InputError, when it is built into a layer, for ranks that leave no channel to content. */
export function goat(options: GoatOptions = {}): Mechanism {
  const { start = 'seeded' } = options;
  const sink = sinkOf(options);
  const { gate, form = 'packed' } = options.start === 'frozen' ? {} : options;
  const parts = [
    ...(options.relative ? [`rank ${options.relative.rank}`] : []),
    ...(sink ? [] : ['no sink part']),
    ...(start === 'seeded' ? [] : [start]),
    ...(gate ? [`${gate} gate`] : []),
    ...(form === 'packed' ? [] : [form]),
  ];
  return {
    name: ['goat', ...(parts.length > 0 ? [parts.join(', ')] : [])].join(': '),
    source: '2601.15380',
    rows: 'one',
    attention(site) {
      const layer = goatLayer(site, options);
      return {
        keysAndValues: (x, places, hook) => layer(places).keysAndValues(x, places, hook),
        attend: (x, kv, places, hook) => layer(places).attend(x, kv, places, hook),
      };
    },
    initial: (name, shape, random) => priorInitial(name, shape, random, start, sink?.deviation ?? 1e-3),
  };
}

const sinkOf = ({ sink = {} }: PriorShape) => (sink === 'none' ? undefined : sink);

/** The layer at some places: positions enter where head norms do, so `attn.{q,k}.hook_out` hold what the projections gave. */
function goatLayer(site: MechanismSite, options: GoatOptions): (places: Places) => AttentionLayer {
  const { at, sizes, context, window } = site;
  const { D, G, H } = sizes;
  const sink = sinkOf(options);
  const { relative = { rank: Math.max(0, Math.min(4, Math.floor((D / 2 - (sink ? 1 : 0)) / 2))) } } = options;
  const { gate, form = 'packed' } = options.start === 'frozen' ? {} : options;
  const prior = goatPrior(at, { G, context }, { relative, ...(sink ? { sink } : {}) });
  const content = D - prior.width;
  if (content < 1)
    throw new InputError(
      `GOAT: relative.rank ${relative.rank}${sink ? ' with the sink part' : ''} takes ${prior.width} channels, a head has ${D}; at least one must be left to content`,
    );
  const { output, ...project } = projections(at, sizes, { inputs: false, output: false });
  const plain = softmaxSteps({ scale: D ** -0.5, window, output });
  const { fused: _, ...steps } = plain;
  const kept = <A extends string>(x: Tensor<A | 'D'>) => slice(x, 'D', 0, content);
  const scores: AttentionSteps['scores'] = (q, k) => dot(multiply(kept(q), content ** -0.5), kept(k), 'D');
  if (options.start === 'frozen' || prior.width === 0)
    return () => attention({ ...project, steps: { ...steps, scores } });
  const gateOf = gate && ((q: Queries) => queryNormGate(at, { G, R: H / G }, kept(q)));
  if (form === 'explicit')
    return () =>
      attention({
        ...project,
        steps: ({ q }) => ({
          ...steps,
          scores,
          mask: (s, places) => plain.mask(add(s, explicitPrior(prior, relative, sink, places, gateOf?.(q))), places),
        }),
      });
  return (places) =>
    attention({
      ...project,
      headNorms: {
        q(x: Queries) {
          const channels = spread(prior.queryChannels(places.queryPositions), x);
          const gated = gateOf ? multiply(channels, gateOf(x)) : channels;
          return concat([multiply(kept(x), Math.sqrt(D / content)), multiply(gated, Math.sqrt(D))], 'D');
        },
        k: (x: Keys) => concat([kept(x), spread(prior.keyChannels(places.keyPositions), x)], 'D'),
      },
      steps: plain,
    });
}

/** σ(b − softplus(a) · ‖q_c‖), one number for a query of a head. */
function queryNormGate(
  at: (name: string) => string,
  heads: { readonly G: number; readonly R: number },
  q: Queries,
): Tensor<'B' | 'T' | 'G' | 'R'> {
  // The root has no slope at zero.
  const norm = sqrt(add(sum(multiply(q, q), 'D'), 1e-12));
  const strength = kernels.softplus(weight(at('self_attn.prior_gate_scale_raw'), heads));
  return sigmoid(subtract(weight(at('self_attn.prior_gate_bias'), heads), multiply(strength, norm)));
}

/** K of every query and key, from their lags. */
function explicitPrior(
  prior: GoatPrior,
  relative: RelativePart,
  sink: SinkPart | undefined,
  places: Places,
  gate: Tensor<'B' | 'T' | 'G' | 'R'> | undefined,
) {
  const near = relative.rank > 0 ? [prior.relative(lags(places))] : [];
  const key = sink ? [prior.sink(places.keyPositions)] : [];
  const whole = ([...near, ...key] as Tensor<string>[]).reduce((a, b) => add(a, b));
  return (gate ? multiply(whole, gate as Tensor<string>) : whole) as unknown as Tensor<'B' | 'G' | 'R' | 'T' | 'S'>;
}

export const mechanismFile: MechanismFile = {
  card: 'goat',
  title: 'Attention with trainable priors (GOAT)',
  source: '2601.15380',
  idea: 'Positions and sinks live in an explicit learned log-prior, in a few channels of queries and keys, so no content key has to fake a default.',
  equation: 'w_ij ∝ exp(q_c·k_c/√d_c + Σ_r α_r cos ω_r(i−j) + β_r sin ω_r(i−j) + u(j))',
  variants: [
    { mechanism: goat, sink: 'moved' },
    { mechanism: () => goat({ start: 'uniform' }), sink: 'moved' },
    { mechanism: () => goat({ relative: { rank: 0 } }), sink: 'moved' },
    { mechanism: () => goat({ gate: 'query-norm' }), sink: 'moved' },
    { mechanism: () => goat({ start: 'frozen' }), sink: 'open' },
  ],
};
