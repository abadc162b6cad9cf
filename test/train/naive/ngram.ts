/** Interpolated modified Kneser–Ney by its definition, with maps: p(word | history). */
export function naiveKneserNey(train: readonly number[], n: number, V: number) {
  const text = [...Array(n - 1).fill(V), ...train];
  const adjusted: Map<string, number>[] = [];
  for (let k = n; k >= 1; k--) {
    const seen = new Map<string, Set<string>>();
    for (let end = n - 1; end < text.length; end++) {
      const key = text.slice(end - k + 1, end + 1).join(' ');
      const front = k === n ? String(end) : String(text[end - k]);
      if (!seen.has(key)) seen.set(key, new Set());
      seen.get(key)!.add(front);
    }
    adjusted[k] = new Map([...seen].map(([key, fronts]) => [key, fronts.size]));
  }
  const discounts = adjusted.map((counts) => {
    const [n1, n2, n3, n4] = [1, 2, 3, 4].map((c) => [...counts.values()].filter((a) => a === c).length);
    const y = n1! / (n1! + 2 * n2!);
    const found = [1 - (2 * y * n2!) / n1!, 2 - (3 * y * n3!) / n2!, 3 - (4 * y * n4!) / n3!];
    return found.every((d, i) => d >= 0 && d <= i + 1) ? found : [0.5, 1, 1.5];
  });
  const probability = (word: number, history: readonly number[], k = n): number => {
    if (k === 0) return 1 / V;
    const context = history.slice(history.length - k + 1);
    const lower = probability(word, history, k - 1);
    let total = 0;
    let kept = 0;
    let own = 0;
    for (let w = 0; w < V; w++) {
      const a = adjusted[k]!.get([...(k === 1 ? [] : context), w].join(' ')) ?? 0;
      if (a === 0) continue;
      const discount = discounts[k]![Math.min(a, 3) - 1]!;
      total += a;
      kept += discount;
      if (w === word) own = a - discount;
    }
    return total === 0 ? lower : (own + kept * lower) / total;
  };
  return { probability, discounts };
}
