/** Byte pair encoding by its definition: count every pair of every piece again before each merge. */
export function naiveMerges(
  pieces: ReadonlyMap<string, number>,
  start: readonly string[],
  byteIds: readonly number[],
  vocabularySize: number,
  minimumFrequency: number,
): { tokens: string[]; merges: [string, string][] } {
  const tokens = [...start];
  const merges: [string, string][] = [];
  const done = new Set<string>();
  const words = [...pieces].map(([piece, count]) => ({
    ids: [...new TextEncoder().encode(piece)].map((byte) => byteIds[byte]!),
    count,
  }));
  while (tokens.length < vocabularySize) {
    const counts = new Map<string, number>();
    for (const { ids, count } of words)
      for (let i = 0; i + 1 < ids.length; i++) {
        const key = `${ids[i]} ${ids[i + 1]}`;
        counts.set(key, (counts.get(key) ?? 0) + count);
      }
    const best = [...counts]
      .map(([key, count]) => ({ key, count, pair: key.split(' ').map(Number) as [number, number] }))
      .sort((a, b) => b.count - a.count || a.pair[0] - b.pair[0] || a.pair[1] - b.pair[1])[0];
    if (best === undefined || best.count < minimumFrequency) break;
    const [left, right] = best.pair;
    const text = tokens[left]! + tokens[right]!;
    if (!done.has(best.key)) merges.push([tokens[left]!, tokens[right]!]);
    done.add(best.key);
    if (!tokens.includes(text)) tokens.push(text);
    const merged = tokens.indexOf(text);
    for (const word of words) {
      const next: number[] = [];
      for (let i = 0; i < word.ids.length; i++) {
        const both = word.ids[i] === left && word.ids[i + 1] === right;
        next.push(both ? merged : word.ids[i]!);
        if (both) i++;
      }
      word.ids = next;
    }
  }
  return { tokens, merges };
}
