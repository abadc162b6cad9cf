/** The definition in loops: who sees whom, the uniform pattern, then means over columns. */
export function naiveVisible(
  T: number,
  window: number | null,
  first: number,
  prefix: number,
  causal: boolean,
): boolean[][] {
  const visible: boolean[][] = [];
  for (let i = 0; i < T; i++) {
    const row: boolean[] = [];
    for (let k = 0; k < T; k++) {
      const real = i >= first && k >= first;
      const near = window === null || (causal ? i - k : Math.abs(i - k)) < window;
      const allowed = !causal || k <= i || k < first + prefix;
      row.push(real && near && allowed);
    }
    visible.push(row);
  }
  return visible;
}

export function naiveUniform(T: number, window: number | null, first: number, prefix: number, causal: boolean) {
  const visible = naiveVisible(T, window, first, prefix, causal);
  const rest = causal ? first + 1 : 0;
  const pattern = visible.map((row) => {
    const n = row.filter(Boolean).length;
    return row.map((seen) => (seen ? 1 / n : 0));
  });
  const column = (k: number, fromRow: number) => {
    let sum = 0;
    let queries = 0;
    for (let i = fromRow; i < T; i++) {
      if (!visible[i]![k]) continue;
      sum += pattern[i]![k]!;
      queries++;
    }
    return { mean: sum / queries, queries };
  };
  const rows = pattern.slice(first).map((row) => {
    let entropy = 0;
    for (const p of row) if (p > 0) entropy -= p * Math.log(p);
    return entropy;
  });
  const keys = Array.from({ length: T }, (_, k) => k);
  return {
    alpha: keys.map((k) => column(k, 0).mean),
    queries: keys.map((k) => column(k, 0).queries),
    received: keys.map((k) => column(k, rest).mean),
    receivedQueries: keys.map((k) => column(k, rest).queries),
    entropy: rows.reduce((a, b) => a + b, 0) / rows.length,
  };
}
