/** Insertions, deletions, substitutions and swaps of neighbours that lead from one text to the other. */
function edits(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = swapped ? rows[i - 2]![j - 2]! + 1 : Number.POSITIVE_INFINITY;
      row[j] = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, rows[i - 1]![j - 1]! + same, swap);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}

const places = (name: string) => name.replace(/^blocks\.[^.]*\./, '');

/**
 * Up to three hook points that a misspelt name may have meant, nearest first, with `blocks.*.` where the layer is not known.
 * Only the place is compared, so a wrong layer or a forgotten `blocks.` does not hide it.
 */
export function nearestHooks(name: string, known: readonly string[]): string[] {
  const asked = places(name.slice(0, 80));
  const patterns = new Set(known.map((hook) => hook.replace(/^blocks\.\d+\./, 'blocks.*.')));
  return [...patterns]
    .map((pattern) => {
      const place = places(pattern);
      const part = asked.length > 3 && place.includes(asked) ? 1 : Number.POSITIVE_INFINITY;
      return { pattern, far: Math.min(part, edits(asked, place)) };
    })
    .filter(({ pattern, far }) => far <= Math.max(3, places(pattern).length / 2))
    .sort((a, b) => a.far - b.far)
    .slice(0, 3)
    .map(({ pattern }) => pattern);
}
