import { InputError } from '../../error.ts';

/** Heads of one layer by number. */
export interface HeadCounts {
  /** Heads that are always on: how many (the first ones), or which (indices from 0, ascending). */
  readonly shared: number | readonly number[];
  /** Of the other heads, how many a token uses. */
  readonly active: number;
}

/** Heads of a layer as parts of all H, rounded, at least one each where there is room. */
export interface HeadShares {
  readonly sharedShare: number;
  readonly activeShare: number;
}

export type HeadBudget = HeadCounts | HeadShares;

export interface ResolvedBudget {
  readonly shared: readonly number[];
  readonly routed: readonly number[];
  readonly active: number;
}

const who = 'mixture of heads';
const whole = (value: number, low: number, high: number) =>
  Number.isSafeInteger(value) && value >= low && value <= high;

/** Indices of the shared and the routed heads, and how many of the routed ones a token uses. Throws an InputError where that cannot be. */
export function resolveBudget(budget: HeadBudget, H: number): ResolvedBudget {
  const { shared, active } = 'sharedShare' in budget ? countsOf(budget, H) : budget;
  if (typeof shared === 'number' && !whole(shared, 0, H))
    throw new InputError(`${who}: shared must be a whole number from 0 to ${H} heads, got ${shared}`);
  const always = typeof shared === 'number' ? Array.from({ length: shared }, (_, i) => i) : shared;
  if (!always.every((head, i) => whole(head, 0, H - 1) && (i === 0 || head > always[i - 1]!)))
    throw new InputError(`${who}: shared heads must be ascending indices below ${H}, got [${always}]`);
  const routed = Array.from({ length: H }, (_, i) => i).filter((head) => !always.includes(head));
  const least = routed.length === 0 ? 0 : 1;
  if (!whole(active, least, routed.length))
    throw new InputError(
      `${who}: active must be a whole number from ${least} to the ${routed.length} heads that are not shared, got ${active}`,
    );
  return { shared: always, routed, active };
}

function countsOf({ sharedShare, activeShare }: HeadShares, H: number): HeadCounts & { shared: number } {
  if (!(sharedShare >= 0 && activeShare >= 0 && sharedShare + activeShare <= 1))
    throw new InputError(
      `${who}: sharedShare and activeShare must be at least 0 and together at most 1, got ${sharedShare} and ${activeShare}`,
    );
  const shared = sharedShare === 0 ? 0 : Math.min(H, Math.max(1, Math.round(sharedShare * H)));
  const pool = H - shared;
  return { shared, active: Math.min(pool, Math.max(1, Math.round(activeShare * H))) };
}

/** Part of the heads that a token uses, and with it of the operations of q · k and pattern · v, were those of the other heads skipped. */
export function usedShare(budget: HeadBudget, H: number): number {
  const { shared, active } = resolveBudget(budget, H);
  return (shared.length + active) / H;
}
