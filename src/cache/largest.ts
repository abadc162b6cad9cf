/**
 * Ranks of the `count` largest of the first `among` scores, ascending; of equal ones the older stay. Ranks in `stay` are taken first,
 * whatever their score.
 */
export function largest(
  scores: ArrayLike<number>,
  count: number,
  among = scores.length,
  stay: ReadonlySet<number> = new Set(),
): number[] {
  const value = (rank: number) => (stay.has(rank) ? Number.POSITIVE_INFINITY : scores[rank]!);
  if (count === among - 1) {
    // One goes, as after every generated token.
    let smallest = 0;
    for (let rank = 1; rank < among; rank++) if (value(rank) <= value(smallest)) smallest = rank;
    return Array.from({ length: count }, (_, i) => (i < smallest ? i : i + 1));
  }
  const ranks = Array.from({ length: among }, (_, rank) => rank);
  if (count >= among) return ranks;
  return ranks
    .sort((a, b) => (value(a) === value(b) ? a - b : value(b) - value(a)))
    .slice(0, count)
    .sort((a, b) => a - b);
}

/** Ranks of those tokens that are among `kept`. */
export function ranksOf(kept: readonly number[], tokens: ReadonlySet<number>): ReadonlySet<number> {
  const ranks = new Set<number>();
  if (tokens.size > 0)
    kept.forEach((token, rank) => {
      if (tokens.has(token)) ranks.add(rank);
    });
  return ranks;
}
