import { InputError } from '../error.ts';
import { uniformLayout } from './layout.ts';
import type { CachePolicy, PositionRule } from './policy.ts';
import { checkSizes } from './policy-sizes.ts';
import type { TokenKinds } from './typed-text.ts';

/** How much of one kind of token is kept. */
export interface KindBudget {
  /** The first so many of the kind stay for ever. Default 0. */
  readonly sinks?: number;
  /** The last so many of the kind. */
  readonly recent: number;
  /** Of these only those of the last so many rounds, the present one among them. Default: of any. */
  readonly rounds?: number;
}

export interface TypedSegmentsOptions {
  /** Which token is what. Texts that go on side by side under one policy share it. */
  readonly text: TokenKinds;
  readonly budgets: Readonly<Record<string, KindBudget>>;
  /** Tokens at the start of the text that stay whatever they are; they count as sinks of `pinnedKind`. Default 0. */
  readonly pinned?: number;
  readonly pinnedKind?: string;
  /** `token`: after every token. `round`: when the first token of a round has been read, so that a round goes in two steps. Default `token`. */
  readonly decides?: 'token' | 'round';
  /** Most tokens of a round, where rounds decide: the room that they take beyond the budgets. */
  readonly roundTokens?: number;
  readonly positions: PositionRule;
  readonly name: string;
  readonly source: string;
  readonly keeps: string;
}

/**
 * A cache with a budget for each kind of token. Evictions fall between what stays, so positions close up there: a step of a prompt ends with
 * the token that leads to one, and everything is as it would be one by one.
 *
 * Throws an InputError for budgets that are no whole numbers, for a token of a kind without one, and from the cache where a round is
 * longer than `roundTokens`.
 */
export function typedSegments(options: TypedSegmentsOptions): CachePolicy {
  const { text, budgets, pinned = 0, pinnedKind, decides = 'token', roundTokens = 0, positions } = options;
  const { name, source, keeps } = options;
  checkSizes(name, 0, { 'pinned tokens': pinned });
  const rooms = new Map<string, Required<KindBudget>>();
  for (const [kind, { sinks = 0, recent, rounds = Number.POSITIVE_INFINITY }] of Object.entries(budgets)) {
    checkSizes(name, 0, { [`sinks of ${kind}`]: sinks, [`recent tokens of ${kind}`]: recent });
    if (rounds !== Number.POSITIVE_INFINITY) checkSizes(name, 1, { [`rounds of ${kind}`]: rounds });
    rooms.set(kind, { sinks: sinks - (kind === pinnedKind ? pinned : 0), recent, rounds });
  }
  for (const [kind, { sinks }] of rooms)
    if (sinks < 0)
      throw new InputError(
        `${name}: ${pinned} tokens at the start are pinned, more than the ${sinks + pinned} sinks of ${kind}`,
      );
  if (decides === 'round') checkSizes(name, 1, { roundTokens });
  const roomOf = (token: number) => {
    const kind = text.kindOf(token);
    const room = rooms.get(kind);
    if (!room)
      throw new InputError(
        `${name}: token ${token} is of kind ${kind}, which has no budget; there are ${[...rooms.keys()]}`,
      );
    return room;
  };
  const begins = (token: number) => token > 0 && text.roundOf(token) !== text.roundOf(token - 1);
  const byRounds = [...rooms.values()].some(({ rounds }) => rounds < Number.POSITIVE_INFINITY);
  const entries = [...rooms.values()].reduce((sum, { sinks, recent }) => sum + sinks + recent, 0);

  return {
    ...{ name, source, keeps, positions },
    decides: decides === 'token' ? 'after every token' : 'when the first token of a round has been read',
    layout: ({ L }) => uniformLayout(L, { pinned, entries: entries + (decides === 'round' ? roundTokens : 0) }),
    keep({ tokens, next }) {
      if (decides === 'round' && !begins(next - 1)) return undefined;
      const round = text.roundOf(next - 1);
      const [seen, total] = [new Map<unknown, number>(), new Map<unknown, number>()];
      const roomOfRank = tokens.map(roomOf);
      for (const room of roomOfRank) total.set(room, (total.get(room) ?? 0) + 1);
      const ranks: number[] = [];
      roomOfRank.forEach((room, rank) => {
        const place = seen.get(room) ?? 0;
        seen.set(room, place + 1);
        const recent = place >= total.get(room)! - room.recent && round - text.roundOf(tokens[rank]!) < room.rounds;
        if (place < room.sinks || recent) ranks.push(rank);
      });
      return ranks;
    },
    stepEnd(tokens, start, wanted) {
      const counts = new Map<unknown, number>();
      if (decides === 'token')
        for (const token of tokens) counts.set(roomOf(token), (counts.get(roomOf(token)) ?? 0) + 1);
      for (let taken = 1; taken < wanted; taken++) {
        const token = start + taken - 1;
        if ((byRounds || decides === 'round') && begins(token)) return taken;
        if (decides === 'round' || token < pinned) continue;
        const room = roomOf(token);
        const count = (counts.get(room) ?? 0) + 1;
        counts.set(room, count);
        if (count > room.sinks + room.recent) return taken;
      }
      return wanted;
    },
  };
}
