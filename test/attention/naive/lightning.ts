/** Lightning attention of one head, in plain loops: what defines it. Rows are tokens. */
type Rows = readonly (readonly number[])[];

const dotOf = (a: readonly number[], b: readonly number[]) => a.reduce((s, value, i) => s + value * b[i]!, 0);
const zeros = (rows: number, columns: number) => Array.from({ length: rows }, () => new Array<number>(columns).fill(0));

/** Σ_{s ≤ t} λ^(t−s) (q_t · k_s) v_s. */
export function naiveQuadratic(q: Rows, k: Rows, v: Rows, lambda: number): number[][] {
  return q.map((query, t) =>
    v[0]!.map((_, e) => {
      let total = 0;
      for (let s = 0; s <= t; s++) total += lambda ** (t - s) * dotOf(query, k[s]!) * v[s]![e]!;
      return total;
    }),
  );
}

/** S ← λ S + k ⊗ v, o = q S. */
export function naiveRecurrent(q: Rows, k: Rows, v: Rows, lambda: number): number[][] {
  const state = zeros(k[0]!.length, v[0]!.length);
  return q.map((query, t) => {
    for (const [c, row] of state.entries())
      for (let e = 0; e < row.length; e++) row[e] = lambda * row[e]! + k[t]![c]! * v[t]![e]!;
    return v[0]!.map((_, e) => query.reduce((s, value, c) => s + value * state[c]![e]!, 0));
  });
}

/** Blocks with a state between them; without it (`alone`) only the first block is right. */
export function naiveBlocked(q: Rows, k: Rows, v: Rows, lambda: number, block: number, alone = false): number[][] {
  const state = zeros(k[0]!.length, v[0]!.length);
  const out: number[][] = [];
  for (let start = 0; start < q.length; start += block) {
    const b = Math.min(block, q.length - start);
    for (let i = 0; i < b; i++) {
      const query = q[start + i]!;
      out.push(
        v[0]!.map((_, e) => {
          let total = 0;
          for (let j = 0; j <= i; j++) total += lambda ** (i - j) * dotOf(query, k[start + j]!) * v[start + j]![e]!;
          const before = query.reduce((s, value, c) => s + value * state[c]![e]!, 0);
          return alone ? total : total + lambda ** i * before;
        }),
      );
    }
    for (const [c, row] of state.entries())
      for (let e = 0; e < row.length; e++) {
        let total = lambda ** b * row[e]!;
        for (let j = 0; j < b; j++) total += lambda ** (b - j) * k[start + j]![c]! * v[start + j]![e]!;
        row[e] = total;
      }
  }
  return out;
}

/** Gradients of Σ dO ⊙ O, block by block: forwards for q, backwards for k and v. */
export function naiveBackward(q: Rows, k: Rows, v: Rows, dO: Rows, lambda: number, block: number) {
  const [n, d, e] = [q.length, q[0]!.length, v[0]!.length];
  const [dq, dk, dv] = [zeros(n, d), zeros(n, d), zeros(n, e)];
  const starts = Array.from({ length: Math.ceil(n / block) }, (_, u) => u * block);
  const state = zeros(d, e);
  for (const start of starts) {
    const b = Math.min(block, n - start);
    for (let i = 0; i < b; i++)
      for (let c = 0; c < d; c++) {
        for (let j = 0; j <= i; j++)
          dq[start + i]![c]! += lambda ** (i - j) * dotOf(dO[start + i]!, v[start + j]!) * k[start + j]![c]!;
        dq[start + i]![c]! += lambda ** i * dotOf(dO[start + i]!, state[c]!);
      }
    for (let c = 0; c < d; c++)
      for (let f = 0; f < e; f++) {
        state[c]![f]! *= lambda ** b;
        for (let j = 0; j < b; j++) state[c]![f]! += lambda ** (b - j) * k[start + j]![c]! * v[start + j]![f]!;
      }
  }
  const dState = zeros(d, e);
  for (const start of starts.reverse()) {
    const b = Math.min(block, n - start);
    for (let j = 0; j < b; j++) {
      for (let i = j; i < b; i++) {
        const [both, score] = [dotOf(dO[start + i]!, v[start + j]!), dotOf(q[start + i]!, k[start + j]!)];
        for (let c = 0; c < d; c++) dk[start + j]![c]! += lambda ** (i - j) * both * q[start + i]![c]!;
        for (let f = 0; f < e; f++) dv[start + j]![f]! += lambda ** (i - j) * score * dO[start + i]![f]!;
      }
      const left = lambda ** (b - j);
      for (let c = 0; c < d; c++)
        for (let f = 0; f < e; f++) {
          dk[start + j]![c]! += left * v[start + j]![f]! * dState[c]![f]!;
          dv[start + j]![f]! += left * k[start + j]![c]! * dState[c]![f]!;
        }
    }
    for (let c = 0; c < d; c++)
      for (let f = 0; f < e; f++) {
        dState[c]![f]! *= lambda ** b;
        for (let i = 0; i < b; i++) dState[c]![f]! += lambda ** i * q[start + i]![c]! * dO[start + i]![f]!;
      }
  }
  return { dq, dk, dv };
}

/** Softmax attention computed with the same blocking and no renormalisation of the blocks before: it is not softmax attention. */
export function naiveBlockedSoftmax(q: Rows, k: Rows, v: Rows, block: number): number[][] {
  return q.map((query, t) => {
    const out = new Array<number>(v[0]!.length).fill(0);
    for (let start = 0; start <= t; start += block) {
      const keys = Array.from({ length: Math.min(start + block, t + 1) - start }, (_, j) => start + j);
      const exps = keys.map((s) => Math.exp(dotOf(query, k[s]!)));
      const total = exps.reduce((a, b) => a + b, 0);
      keys.forEach((s, j) => {
        for (let e = 0; e < out.length; e++) out[e]! += (exps[j]! / total) * v[s]![e]!;
      });
    }
    return out;
  });
}
