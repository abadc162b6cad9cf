import { InputError } from '../../error.ts';
import {
  add,
  and,
  concat,
  Dim,
  divide,
  dot,
  equal,
  expand,
  iota,
  isSame,
  lessOrEqual,
  multiply,
  pick,
  rename,
  scalar,
  select,
  size,
  sizes,
  slice,
  softmax,
  subtract,
  sum,
  type Tensor,
} from '../../tensor/index.ts';
import type { DecodingLayer } from '../decoding.ts';
import type { AttentionLayer, AttentionTap, KeysAndValues } from '../layer.ts';
import type { MechanismSite } from '../mechanism.ts';
import { additive, causalMask } from '../places.ts';
import { rotate } from '../positions/rope.ts';
import { projections } from '../projections.ts';
import type { Keys, Queries, Scores, Stream } from '../steps.ts';
import { carryOf, flattenCarry, memoryStateSizes } from './memory-decoding.ts';
import type { MemoryWeights } from './memory-network.ts';
import { wholeOnly } from './memory-with-attention.ts';
import { fixedLength } from './neural-memory.ts';
import { frontKeysAndValues } from './persistent-tokens.ts';
import { type TitansOptions, titansSetting } from './titans-options.ts';

/** What attention of one segment gives: weights on its own tokens, mass on everything else, and what that gives out. */
interface Segment {
  readonly pattern: Scores;
  readonly sink?: Tensor<'B' | 'G' | 'R' | 'T'> | undefined;
  readonly rest?: Queries | undefined;
}

/**
 * Memory as context (MAC) of Titans, 2501.00663, section 4.1. The text is cut into segments of C tokens; for segment S after memory M:
 * h = M(S W_Q), S̃ = [P ‖ h ‖ S], y = Attn(S̃) inside the segment, then the memory learns y and o = y ⊗ M(y).
 *
 * Where every token of a segment saw all of h, and M(y) had learnt all of y, a token would see tokens after it. So token i sees h_j for
 * j ≤ i, and M(y_i) has learnt the chunks of y that ended at or before i. `attn.hook_pattern` is on the text's own tokens; the mass on P
 * and h together is `attn.hook_sink`.
 */
export function memoryAsContext(site: MechanismSite, options: TitansOptions) {
  const { at, position } = site;
  const { D, G, H } = site.sizes;
  const { retrieved = true } = options;
  const { memory, window: C, persistent, front, join } = titansSetting(site, options);
  const { output, ...project } = projections(at, site.sizes, { inputs: false, output: false });
  const turn = <X extends Queries | Keys>(x: X, places: Tensor<'T'> | Tensor<'S'>): X =>
    (position.rotary ? rotate(x as Keys, places as Tensor<'S'>, position.rotary) : x) as X;

  /** Weights on [P ‖ h ‖ own tokens], from scores of the own tokens that are masked already. */
  function attend(
    q: Queries,
    scores: Scores,
    h: (KeysAndValues & { readonly mask: Tensor<'T' | 'S'> }) | undefined,
    begins: Tensor<never>,
  ): Segment {
    // P stands before h, which stands before the segment.
    const before = retrieved ? subtract(begins, C) : begins;
    const p = front && frontKeysAndValues({ tokens: front, count: persistent, project, ...position }, before);
    const score = (k: Keys) => dot(multiply(q, D ** -0.5), k, 'D');
    const extra = [
      ...(p ? [{ scores: score(rename(p.k, 'P', 'S')), v: rename(p.v, 'P', 'S') }] : []),
      ...(h ? [{ scores: add(score(h.k), additive(h.mask)) as Scores, v: h.v }] : []),
    ];
    const all = softmax(concat([...extra.map((one) => one.scores), scores], 'S'), 'S');
    const others = extra.reduce((total, one) => total.plus(size(one.scores, 'S')), Dim.of(0));
    const pattern = slice(all, 'S', others, others.plus(size(scores, 'S')));
    if (extra.length === 0) return { pattern };
    let from = Dim.of(0);
    const parts = extra.map((one) => {
      const to = from.plus(size(one.scores, 'S'));
      const given = dot(slice(all, 'S', from, to), one.v, 'S');
      from = to;
      return given;
    });
    return {
      pattern,
      sink: sum(slice(all, 'S', 0, others), 'S'),
      rest: parts.reduce((total, part) => add(total, part)),
    };
  }

  const mix = ({ pattern, rest }: Segment, v: Keys): Queries => {
    const own = dot(pattern, v, 'S');
    return rest ? add(own, rest) : own;
  };

  const whole: AttentionLayer = {
    keysAndValues(x, places, hook) {
      const key = hook('attn.k.hook_out', project.k(x));
      const turned = turn(key, places.keyPositions as Tensor<'S'>);
      return { k: hook('attn.hook_rot_k', turned), v: hook('attn.v.hook_out', project.v(x)) };
    },
    attend(x, kv, places, hook) {
      if (places.prefix !== undefined)
        throw new InputError(
          'titans: memory as context cuts the text into segments, so it takes no prefix that all see',
        );
      const T = fixedLength(x);
      const positions = places.queryPositions as Tensor<'T'>;
      const q = hook('attn.hook_rot_q', turn(hook('attn.q.hook_out', project.q(x)), positions));
      const raw = hook('attn.hook_attn_scores', dot(multiply(q, D ** -0.5), kv.k, 'D'));
      const biased = position.bias ? position.bias(raw, places) : raw;
      const scores = add(biased, additive(causalMask(places) as Tensor<'T' | 'S'>));
      const reader = memory.queries(x).q;
      const segments: (Segment & { readonly z: Queries })[] = [];
      const joined: Stream[] = [];
      const retrievals: Stream[] = [];
      let carry = memory.start() as Parameters<typeof memory.advance>[1];
      for (let from = 0; from < T; from += C) {
        const to = Math.min(T, from + C);
        const cut = <A extends string>(value: Tensor<A | 'T'>) => slice(value, 'T', from, to) as Tensor<A | 'T'>;
        const here = cut<'B' | 'M'>(x);
        const h = retrieved ? recalled(carry.memory.weights, cut(reader), here, cut(positions)) : undefined;
        const made = attend(cut(q), slice(cut(scores), 'S', from, to), h, pick(positions, 'T', from));
        const z = mix(made, slice(kv.v, 'S', from, to));
        const y = output(z);
        const next = memory.advance(y, carry, from);
        carry = next.carry;
        segments.push({ ...made, z });
        retrievals.push(memory.output(next.z, y));
        joined.push(join(y, retrievals.at(-1)!));
      }
      if (!hook.watched('attn.hook_pattern', 'attn.hook_sink', 'attn.hook_z'))
        return hook('attn.hook_out', concat(joined, 'T'));
      const y = output(watch(segments, kv.v, T, hook));
      return hook('attn.hook_out', join(y, concat(retrievals, 'T')));
    },
  };

  /** Keys and values of what the memory retrieved for some tokens; h_j stands C before token j and is seen from j on. */
  function recalled(weights: MemoryWeights, reader: Queries, x: Stream, positions: Tensor<'T'>) {
    const h = rename(memory.output(memory.network.read(weights, reader), x), 'T', 'S');
    const k = turn(project.k(h), rename(subtract(positions, C), 'T', 'S'));
    const [i, j] = [iota('T', size(x, 'T')), iota('S', size(x, 'T'))];
    return { k, v: project.v(h), mask: lessOrEqual(j, i) };
  }

  /** z of the whole text by way of its hook points. The memory of later segments was made of them, so they can be read but not edited. */
  function watch(segments: readonly (Segment & { readonly z: Queries })[], v: Keys, T: number, hook: AttentionTap) {
    const reason =
      'in a whole text, for the memory of later segments is made of it; edit attn.hook_attn_scores or attn.hook_out, or run one token at a time';
    let from = 0;
    const patterns = segments.map(({ pattern }) => {
      const width = size(pattern, 'S').constant!;
      const padded = concat([nothing(pattern, from), pattern, nothing(pattern, T - from - width)], 'S');
      from += width;
      return padded;
    });
    const whole = concat(patterns, 'T');
    const pattern = unedited('attn.hook_pattern', whole, hook('attn.hook_pattern', whole), reason);
    const own = dot(pattern, v, 'S');
    if (!segments[0]?.sink) return checkZ(own);
    const sink = concat(
      segments.map((one) => one.sink!),
      'T',
    );
    const left = unedited('attn.hook_sink', sink, hook('attn.hook_sink', sink), reason);
    const rest = concat(
      segments.map((one) => one.rest!),
      'T',
    );
    // The same as rest, but made of the hooked value, so that there is a gradient at it.
    return checkZ(add(own, multiply(rest, divide(left, sink))) as Queries);

    function checkZ(z: Queries): Queries {
      return unedited('attn.hook_z', z, hook('attn.hook_z', z), reason);
    }
  }

  /** State: keys and values of tokens and of what was retrieved, the memory, and its weights at the start of the segment. */
  const decoding = (): DecodingLayer => {
    const wanted = memoryStateSizes(memory, site.sizes);
    const border = Object.fromEntries(
      Object.entries(memory.network.shapes).map(([part, axes]) => [`border.${part}`, { B: Dim.of('B'), ...axes }]),
    );
    const reader =
      memory.taps > 1 && retrieved ? { reader: { B: Dim.of('B'), T: memory.taps - 1, G, R: H / G, D } } : {};
    return {
      state(past) {
        const rows = { B: Dim.of('B'), S: past, G, D };
        return { k: rows, v: rows, ...(retrieved ? { hk: rows, hv: rows, ...border } : {}), ...reader, ...wanted };
      },
      step(x, state, past, hook) {
        const carry = carryOf(state, memory.start(), { wanted, x, index: past.index });
        const here = add(iota('T', 1), past.index);
        const own = rename(here, 'T', 'S');
        const places = { queries: here, queryPositions: here, keys: own, keyPositions: own };
        const fresh = whole.keysAndValues(rename(x, 'T', 'S'), places, hook);
        const joinedTo = (name: string, value: Keys) => concat([state[name] as unknown as Keys, value], 'S');
        const [k, v] = [joinedTo('k', fresh.k), joinedTo('v', fresh.v)];
        const begins = multiply(divide(past.index, C), C);
        const keys = iota('S', size(k, 'S'));
        const seen = and(lessOrEqual(begins, keys), lessOrEqual(keys, here)) as Tensor<'T' | 'S'>;
        const q = hook('attn.hook_rot_q', turn(hook('attn.q.hook_out', project.q(x)), here));
        const raw = hook('attn.hook_attn_scores', dot(multiply(q, D ** -0.5), k, 'D'));
        const biased = position.bias ? position.bias(raw, { ...places, keys, keyPositions: keys }) : raw;
        const starts = equal(begins, past.index) as unknown as Tensor<string>;
        const recall = retrieved ? recallToken() : undefined;
        const made = attend(q, add(biased, additive(seen)) as Scores, recall?.h, begins);
        if (made.sink)
          unedited('attn.hook_sink', made.sink, hook('attn.hook_sink', made.sink), 'here; edit attn.hook_pattern');
        const pattern = hook('attn.hook_pattern', made.pattern);
        const y = output(hook('attn.hook_z', mix({ ...made, pattern }, v)));
        const next = memory.advanceToken(y, carry, past.index);
        return {
          output: hook('attn.hook_out', join(y, memory.output(next.z, y))),
          state: {
            ...({ k, v } as unknown as Record<string, Tensor<string>>),
            ...recall?.state,
            ...flattenCarry(next.carry, wanted, size(x, 'B')),
          },
        };

        function recallToken() {
          const base = Object.fromEntries(
            Object.entries(carry.memory.weights).map(([part, value]) => [
              part,
              select(starts, value, state[`border.${part}`]!),
            ]),
          );
          const read = memory.queries(x, state.reader as Queries | undefined);
          const { k: key, v: value } = recalled(base, read.q, x, here);
          const [hk, hv] = [joinedTo('hk', key), joinedTo('hv', value)];
          const parts = Object.entries(base).map(([part, weights]) => [`border.${part}`, weights] as const);
          return {
            h: { k: hk, v: hv, mask: seen },
            state: {
              ...({ hk, hv } as unknown as Record<string, Tensor<string>>),
              ...Object.fromEntries(parts),
              ...('reader' in reader ? { reader: read.past as unknown as Tensor<string> } : {}),
            },
          };
        }
      },
    };
  };

  return { whole: wholeOnly(whole), decoding };
}

function unedited<A extends string>(name: string, value: Tensor<A>, hooked: Tensor<A>, reason: string): Tensor<A> {
  if (!isSame(hooked, value)) throw new InputError(`titans: ${name} cannot be edited ${reason}`);
  return hooked;
}

/** Weights of nothing on S keys. Not a `pad`: where the runtime moves a transpose past one, it misreads which axis is padded. */
function nothing(pattern: Scores, S: number): Scores {
  const axes = Object.fromEntries([...sizes(pattern)].map(([axis, one]) => [axis, axis === 'S' ? S : one]));
  return expand(scalar(0), axes as { B: Dim; G: Dim; R: Dim; T: Dim; S: Dim });
}
