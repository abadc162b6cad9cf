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
import type { MechanismSite } from '../mechanism.ts';
import { kernels } from '../normalisers/kernels.ts';
import { softmaxSteps } from '../normalisers/softmax.ts';
import type { Places } from '../places.ts';
import { projections } from '../projections.ts';
import type { AttentionSteps, Keys, Queries } from '../steps.ts';
import type { SinkPart } from './goat-key-prior.ts';
import type { PriorLayout } from './goat-layout.ts';
import { type GoatPrior, goatPrior, type RelativePart, spread } from './goat-prior.ts';

export interface GoatSettings {
  /** Default: see `usual`. */
  readonly relative?: RelativePart | undefined;
  /** Relative frequencies where none are given and the head has room for them. */
  readonly usual: number;
  readonly sink: SinkPart | undefined;
  readonly gate: 'query-norm' | undefined;
  /** `none`: content alone, no prior. */
  readonly form: 'packed' | 'explicit' | 'none';
  readonly layout: PriorLayout;
  /** D of the features of u. */
  readonly context: number;
}

/** The layer at some places: positions enter where head norms do, so `attn.{q,k}.hook_out` hold what the projections gave. */
export function goatLayer(site: MechanismSite, settings: GoatSettings): (places: Places) => AttentionLayer {
  const { at, sizes, window } = site;
  const { D, G, H } = sizes;
  const { sink, gate, form, layout, context, usual } = settings;
  // Half of the channels at most, where nothing is said.
  const room = Math.floor((D / 2 - (sink ? 1 : 0)) / 2);
  const { relative = { rank: Math.max(0, Math.min(usual, room)) } } = settings;
  const prior = goatPrior(at, { G, context }, { relative, layout, ...(sink ? { sink } : {}) });
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
  if (form === 'none' || prior.width === 0) return () => attention({ ...project, steps: { ...steps, scores } });
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

/** K of every query and key, from what lies between them. */
function explicitPrior(
  prior: GoatPrior,
  relative: RelativePart,
  sink: SinkPart | undefined,
  { queryPositions, keyPositions }: Places,
  gate: Tensor<'B' | 'T' | 'G' | 'R'> | undefined,
) {
  const near = relative.rank > 0 ? [prior.between(queryPositions, keyPositions)] : [];
  const key = sink ? [prior.sink(keyPositions)] : [];
  const whole = ([...near, ...key] as Tensor<string>[]).reduce((a, b) => add(a, b));
  return (gate ? multiply(whole, gate as Tensor<string>) : whole) as unknown as Tensor<'B' | 'G' | 'R' | 'T' | 'S'>;
}
