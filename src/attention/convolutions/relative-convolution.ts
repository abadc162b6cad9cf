import { InputError } from '../../error.ts';
import {
  add,
  dot,
  gather,
  multiply,
  rename,
  select,
  size,
  type Tensor,
  type Within,
  weight,
} from '../../tensor/index.ts';
import { attention } from '../attention.ts';
import type { AttentionLayer } from '../layer.ts';
import type { MechanismSite } from '../mechanism.ts';
import { softmaxSteps } from '../normalisers/softmax.ts';
import type { Places } from '../places.ts';
import { lookedUpTerms, relativeTables, shiftedTerms } from '../positions/relative-terms.ts';
import { projections } from '../projections.ts';
import { type SegmentMemory, withMemory } from '../recurrent/segment-memory.ts';
import type { AttentionGiven, AttentionSteps, Queries, Stream, Values } from '../steps.ts';
import { expectWholeText, isWholeText } from '../whole-text.ts';
import { lastOf, withPast } from './causal-convolution.ts';
import { type HeadFilters, headConvolution } from './head-convolution.ts';

/** What a layer is made of: each of the two ideas may be absent. */
export interface RelativeConvolution {
  /** Convolutions of queries, keys and values. Default none. */
  readonly filters?: HeadFilters;
  /** `relative`: learned tables reaching P tokens. `learned`: a table added to the layer's input. `model`: those of the site. */
  readonly positions: { readonly kind: 'relative'; readonly P: number } | { readonly kind: 'learned' | 'model' };
}

/** Queries, keys and values of the last taps − 1 tokens, before the convolutions. */
export interface ConvolutionPast {
  readonly q?: Queries;
  readonly k?: Values;
  readonly v?: Values;
}

/** Queries, keys and values before the convolutions. */
export interface PlainProjections {
  q(x: Stream): Queries;
  k(x: Tensor<'B' | 'S' | 'M'>): Values;
  v(x: Tensor<'B' | 'S' | 'M'>): Values;
}

export interface RelativeMemory extends SegmentMemory {
  /** What the convolution of the queries sees before the segment: `zeros`, as published, or the end of the memory. Default `zeros`. */
  readonly beforeQueries?: 'zeros' | 'memory';
}

const who = 'relative convolutional attention';

/**
 * The parts of a layer; `past`: what its convolutions see before the text; `queriesAreLast`: the queries are the last of the keys, so that
 * relative terms may be shifted.
 */
export function relativeConvolutionParts(
  { at, sizes, position, window, context }: MechanismSite,
  { filters, positions }: RelativeConvolution,
  past: ConvolutionPast | ((plain: PlainProjections) => ConvolutionPast) = {},
  queriesAreLast: (places: Places) => boolean = isWholeText,
) {
  const { H, G, D, M } = sizes;
  const R = H / G;
  const scale = D ** -0.5;
  // One node for each stored tensor: decoding and memory ask for some a second time.
  const wQ = weight(at('self_attn.q_proj.weight'), { G, R, D, M });
  const wK = weight(at('self_attn.k_proj.weight'), { G, D, M });
  const wV = weight(at('self_attn.v_proj.weight'), { G, D, M });
  const bV = weight(at('self_attn.v_proj.bias'), { G, D });
  const plain: PlainProjections = {
    q: (x) => dot(x, wQ, 'M'),
    k: (x) => dot(x, wK, 'M'),
    v: (x) => add(dot(x, wV, 'M'), bV),
  };
  const before = typeof past === 'function' ? past(plain) : past;
  const convolution = filters && {
    q: headConvolution(at('self_attn.q_conv'), { G, R }, D, filters),
    k: headConvolution(at('self_attn.k_conv'), { G }, D, filters),
    v: headConvolution(at('self_attn.v_conv'), { G }, D, filters),
  };
  const tables = positions.kind === 'relative' ? relativeTables(at, { G, R, D, P: positions.P }) : undefined;
  const u = tables && weight(at('self_attn.query_pos_bias'), { G, R, D });
  const table =
    positions.kind === 'learned' ? weight(at('self_attn.position_embeddings'), { row: context, M }) : undefined;
  const { output } = projections(at, sizes, { inputs: false, output: true });

  function steps({ places, hook }: AttentionGiven): AttentionSteps {
    const plainSteps = softmaxSteps({ scale, window, output });
    if (!tables || !u) return plainSteps;
    const { fused: _, ...stepwise } = plainSteps;
    const scaled = { ...tables, numbers: multiply(tables.numbers, scale) };
    // Shifted terms hold other numbers at later keys, which nobody should read.
    const terms = queriesAreLast(places) && !hook.watched('attn.hook_attn_scores') ? shiftedTerms : lookedUpTerms;
    return {
      ...stepwise,
      scores: (q, k) => add(dot(multiply(add(q, u), scale), k, 'D'), terms(multiply(q, scale), places, scaled)),
    };
  }

  /** The input with its absolute position, where there is a table of them. */
  const placed = <P extends 'T' | 'S'>(x: Tensor<'B' | P | 'M'>, where: Tensor<'B' | P>): Tensor<'B' | P | 'M'> =>
    table ? (add(x as Tensor<'B' | 'M'>, gather(table, where, 'row') as never) as unknown as typeof x) : x;

  /** The layer where `real` is false at padding: its projections, biases included, are zeros to the convolutions. */
  const made = (real?: Tensor<'B' | 'S'>) => {
    const kept = <A extends string>(x: Tensor<A>, mask: Within<A>) =>
      multiply(x, select(mask as Tensor<A>, 1, 0) as Within<A>);
    const onKeys = (x: Values) => (real ? kept(x, real) : x);
    const onQueries = (x: Queries) => (real ? kept(x, rename(real, 'S', 'T')) : x);
    return attention({
      q: (x) => (convolution ? convolution.q(onQueries(plain.q(x)), 'T', before.q) : plain.q(x)),
      k: (x) => (convolution ? convolution.k(onKeys(plain.k(x)), 'S', before.k) : plain.k(x)),
      v: (x) => (convolution ? convolution.v(onKeys(plain.v(x)), 'S', before.v) : plain.v(x)),
      ...(positions.kind === 'model' ? position : {}),
      steps,
    });
  };
  const layer: AttentionLayer = {
    keysAndValues: (x, places, hook) =>
      made(places.keyIsReal).keysAndValues(placed(x, places.keyPositions as never), places, hook),
    attend: (x, kv, places, hook) =>
      made(places.keyIsReal).attend(placed(x, places.queryPositions as never), kv, places, hook),
  };
  return { layer, plain, placed };
}

/** The layer over whole texts, or over segments with a memory. Throws an InputError for a context beyond the reach of relative positions. */
export function relativeConvolutionLayer(
  site: MechanismSite,
  made: RelativeConvolution,
  memory?: RelativeMemory,
): AttentionLayer {
  const { filters, positions } = made;
  if (positions.kind === 'relative' && site.context > positions.P)
    throw new InputError(
      `${who}: the tables reach ${positions.P} tokens, the model is trained on ${site.context}; give a larger reach`,
    );
  if (memory) {
    const before = (filters?.taps ?? 1) - 1;
    const long = size(memory.stream, 'S').constant;
    const seen = memory.beforeQueries === 'memory' && before > 0;
    if (seen && long !== undefined && long < before)
      throw new InputError(
        `${who}: the convolution of the queries looks back ${before} tokens, expected a memory of at least as many, got ${long}`,
      );
    const past = ({ q }: PlainProjections) =>
      seen ? { q: q(rename(lastOf(memory.stream, 'S', before), 'S', 'T')) } : {};
    return withMemory(relativeConvolutionParts(site, made, past, () => true).layer, memory);
  }
  const { layer } = relativeConvolutionParts(site, made);
  if (!filters || filters.taps === 1) return layer;
  return {
    keysAndValues: layer.keysAndValues,
    attend(x, kv, places, hook) {
      expectWholeText(who, places);
      return layer.attend(x, kv, places, hook);
    },
  };
}

/** What the next token's convolutions see: the last `count` values before them of this text and what came before it. */
export function nextPast(
  plain: PlainProjections,
  x: Stream,
  past: Required<ConvolutionPast>,
  count: number,
): Required<ConvolutionPast> {
  const keys = rename(x, 'T', 'S');
  return {
    q: lastOf(withPast(plain.q(x), 'T', count, past.q), 'T', count),
    k: lastOf(withPast(plain.k(keys), 'S', count, past.k), 'S', count),
    v: lastOf(withPast(plain.v(keys), 'S', count, past.v), 'S', count),
  };
}
