/** Sink_k^ε of one text as the paper writes it, from patterns [L][H][T][T]; key counted from 0. */
export function naiveSinkRate(
  patterns: number[][][][],
  windows: (number | null)[],
  key: number,
  epsilon: number,
): number {
  let layers = 0;
  patterns.forEach((heads, l) => {
    let above = 0;
    for (const pattern of heads) if (naiveAlpha(pattern, windows[l]!, key, 0) > epsilon) above++;
    layers += above / heads.length;
  });
  return layers / patterns.length;
}

/** Mean of A_ik over the queries i ≥ fromRow that see key k. */
export function naiveAlpha(pattern: number[][], window: number | null, key: number, fromRow: number): number {
  let sum = 0;
  let queries = 0;
  for (let i = Math.max(key, fromRow); i < pattern.length; i++) {
    if (window !== null && i - key >= window) continue;
    sum += pattern[i]![key]!;
    queries++;
  }
  return sum / queries;
}
