/** L2 norm of each position of a residual stream [T, M]. */
export function residualNorms(residual: Float32Array, T: number, M: number): Float64Array {
  const out = new Float64Array(T);
  for (let t = 0; t < T; t++) {
    let square = 0;
    for (let m = t * M; m < (t + 1) * M; m++) square += residual[m]! * residual[m]!;
    out[t] = Math.sqrt(square);
  }
  return out;
}

/** cos(h_t, h_b) of every position t with position b of a residual stream [T, M]; 0 where a vector is zero. */
export function cosinesTo(residual: Float32Array, b: number, norms: Float64Array, M: number): Float64Array {
  return norms.map((norm, t) => {
    let dot = 0;
    for (let m = 0; m < M; m++) dot += residual[t * M + m]! * residual[b * M + m]!;
    return norm > 0 && norms[b]! > 0 ? dot / (norm * norms[b]!) : 0;
  });
}
