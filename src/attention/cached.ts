import { InputError } from '../error.ts';
import {
  add,
  concat,
  expand,
  lessOrEqual,
  merge,
  sizes,
  slice,
  split,
  type Tensor,
  type Within,
} from '../tensor/index.ts';
import type { AttentionParts } from './attention.ts';
import type { AttentionTap, KeysAndValues } from './layer.ts';
import type { Places } from './places.ts';
import { rotate } from './positions/rope.ts';
import { someHeads } from './some-heads.ts';
import type { AttentionSteps, Queries, Scores, Stream } from './steps.ts';

/** Some keys and values of the text, and where its queries stand as seen from them. */
export interface Segment extends KeysAndValues {
  /** Of queries; for RoPE, position biases and the causal mask alike. */
  readonly queries: Within<'B' | 'T'>;
  /** Of keys, which are rotated already; past every query where there is no key. Heads may have keys of their own. */
  readonly keys: Within<'B' | 'G' | 'S'>;
  /** False where a query may not see a key although it stands before it. Default: it may. */
  readonly visible?: Within<'B' | 'G' | 'T' | 'S'>;
}

/** Key/value heads that keep the same number of entries, with all they may see, oldest segment first. */
export interface Bank {
  /** Heads in ascending order; absent: all. */
  readonly heads?: readonly number[];
  readonly segments: readonly Segment[];
  /** Is handed the weights of these heads over all segments. */
  readonly observe?: (pattern: Scores) => void;
}

/**
 * Places along all segments. Queries stand elsewhere for some keys than for others, so they have S as well: steps only compare and
 * subtract places. The same for all layers, so it is made once.
 */
function joinedPlaces(segments: readonly Segment[]): Places {
  const perHead = segments.some(({ keys }) => sizes(keys).has('G'));
  const along = (part: (segment: Segment) => Within<string>) =>
    concat(
      segments.map((segment) => {
        const [value, { k, queries, keys }] = [part(segment), segment];
        const all = new Map([...sizes(queries), ['S', sizes(k).get('S')!] as const, ...sizes(keys)]);
        if (perHead) all.set('G', sizes(k).get('G')!);
        const missing = [...all].filter(([axis]) => !sizes(value).has(axis));
        return expand(value as Tensor<string>, Object.fromEntries(missing) as never) as Tensor<string>;
      }),
      'S',
    );
  const queries = along(({ queries }) => queries);
  const keys = along(({ keys }) => keys);
  const keyIsReal = segments.some(({ visible }) => visible)
    ? along(({ visible, queries, keys }) => visible ?? lessOrEqual(keys as Tensor<string>, queries as Tensor<string>))
    : undefined;
  const places = { queries, keys, queryPositions: queries, keyPositions: keys, ...(keyIsReal ? { keyIsReal } : {}) };
  return places as unknown as Places;
}

/** Parts with steps of their own: made from whole texts they would need what a cache does not keep. */
type CachedParts = AttentionParts & { readonly steps: AttentionSteps };

/**
 * Attention of new tokens over what is kept of the text and over themselves, segment by segment, so that no cache is copied: scores of each
 * are joined, normalised as one row, and taken apart again. Queries are rotated once for each place they have.
 *
 * Hook points are those of attention, with S along all segments in the order given; `attn.hook_rot_q` is the query as its own segment, the
 * last, sees it. Throws an InputError where heads are in several banks and a pattern is read or edited.
 */
export function attendCached(
  { q, headNorms, rotary, bias, steps }: CachedParts,
  x: Stream,
  banks: readonly Bank[],
  hook: AttentionTap,
): Stream {
  if (banks.length > 1 && hook.watched('attn.hook_attn_scores', 'attn.hook_pattern', 'attn.hook_sink'))
    throw new InputError(
      'attention over heads that keep different numbers of entries has no one pattern to read or edit',
    );
  const query = hook('attn.q.hook_out', q(x));
  const normed = headNorms ? headNorms.q(query) : query;
  const own = banks[0]!.segments.at(-1)!.queries;
  const seen = hook('attn.hook_rot_q', rotary ? rotate(normed, own, rotary) : normed);
  const turned = (places: Within<'B' | 'T'>) =>
    places.node === own.node || !rotary ? seen : rotate(normed, places, rotary);
  const alone = banks.length === 1;
  const mixed = banks.map(({ heads, segments, observe }) => {
    // Query heads of a group go along T: every segment is one product, without a reshape around each.
    const parts = segments.map(({ queries, k }) => steps.scores(asQueries(someHeads(turned(queries), heads)), k));
    const joined = fromQueries(concat(parts, 'S'), query);
    const scores = alone ? hook('attn.hook_attn_scores', joined) : joined;
    const places = joinedPlaces(segments);
    const { pattern, sink } = steps.normalise(steps.mask(bias ? bias(scores, places) : scores, places), heads);
    const left = sink && alone ? hook('attn.hook_sink', sink) : sink;
    const rows = alone ? hook('attn.hook_pattern', pattern) : pattern;
    observe?.(rows);
    const mixed = splitAs(asQueries(rows), parts)
      .map((part, i) => steps.mix(part, segments[i]!.v, i === 0 ? left : undefined))
      .reduce((a, b) => add(a, b));
    return fromQueries(mixed, query);
  });
  return hook('attn.hook_out', steps.output(hook('attn.hook_z', inOrder(mixed, banks))));
}

/** R and T as one axis T, so that what does not tell query heads apart need not know them. */
const asQueries = <A extends string>(x: Tensor<A>): Tensor<A> =>
  merge(x as unknown as Tensor<'R' | 'T'>, ['R', 'T'], 'T') as unknown as Tensor<A>;

/** Undoes `asQueries`, with the sizes of a value that was not changed. */
const fromQueries = <A extends string>(x: Tensor<A>, like: Queries): Tensor<A> => {
  const [R, T] = [sizes(like).get('R')!, sizes(like).get('T')!];
  return split(x as unknown as Tensor<'T'>, 'T', { R, T }) as unknown as Tensor<A>;
};

/** The parts of scores along S, as long as those they were joined from. */
function splitAs(scores: Scores, parts: readonly Scores[]): Scores[] {
  if (parts.length === 1) return [scores];
  let start = sizes(scores).get('S')!.minus(sizes(scores).get('S')!);
  return parts.map((part) => {
    const end = start.plus(sizes(part).get('S')!);
    const piece = slice(scores, 'S', start, end);
    start = end;
    return piece;
  });
}

/** What the heads of all banks give, as the model has them. */
function inOrder(mixed: readonly Queries[], banks: readonly Bank[]): Queries {
  if (mixed.length === 1) return mixed[0]!;
  const stored = banks.flatMap(({ heads }) => heads!);
  const places = stored.map((_, head) => stored.indexOf(head));
  return someHeads(concat(mixed, 'G'), places);
}
