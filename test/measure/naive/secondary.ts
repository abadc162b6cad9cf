/** Steps 1 to 4 of the detector from hidden states h[l][t][c], in plain loops. */
export function naiveSecondary(h: number[][][], candidates: number[], constants: 'original' | 'relative') {
  const N = h.length;
  const T = h[0]!.length;
  let b = candidates[0]!;
  for (const candidate of candidates) {
    let mine = 0;
    let best = 0;
    for (let l = 0; l < N; l++) {
      mine += norm(h[l]![candidate]!) / N;
      best += norm(h[l]![b]!) / N;
    }
    if (mine > best) b = candidate;
  }
  let start = 1;
  let steepest = Number.NEGATIVE_INFINITY;
  for (let l = 0; l + 1 < N; l++) {
    const d = norm(h[l + 1]![b]!) - norm(h[l]![b]!);
    if (d > steepest) {
      steepest = d;
      start = l + 1;
    }
  }
  let end = N;
  let lowest = Number.POSITIVE_INFINITY;
  for (let l = start; l + 1 < N; l++) {
    const d = norm(h[l + 1]![b]!) - norm(h[l]![b]!);
    if (d < lowest) {
      lowest = d;
      end = l + 1;
    }
  }
  const tokens = [];
  for (let t = b + 1; t < T; t++) {
    const layers: number[] = [];
    for (let l = start; l < end; l++) if (Math.abs(cosine(h[l]![t]!, h[l]![b]!)) > 0.9) layers.push(l);
    if (layers.length === 0) continue;
    const life = layers.length;
    let label = 'secondary';
    if (constants === 'original') {
      if (life >= N - 15) label = 'primary-like';
      if (life <= 4) label = 'noise';
    } else {
      if (life >= 0.7 * (end - start)) label = 'primary-like';
      if (life < Math.max(2, 0.1 * N)) label = 'noise';
    }
    tokens.push({ position: t, first: layers[0]!, last: layers[life - 1]!, life, label });
  }
  return { position: b, start, end, tokens };
}

export function norm(v: number[]): number {
  let sum = 0;
  for (const x of v) sum += x * x;
  return Math.sqrt(sum);
}

export function cosine(a: number[], b: number[]): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum / (norm(a) * norm(b));
}
