export type PatternRenderer = typeof render;

/**
 * Draws the part of a pattern [T, T] that `view` shows (n queries from `query`, n keys from `key`) into size × size pixels.
 * Where a pixel covers several cells it shows their largest, so that a column one key wide is never lost.
 * Cells above the diagonal, which no query sees under a causal mask, are left transparent then.
 */
export function render(
  pixels: Uint32Array,
  size: number,
  values: Uint8Array,
  T: number,
  view: { query: number; key: number; n: number },
  palette: Uint32Array,
  causal: boolean,
): void {
  const { query, key, n } = view;
  if (n <= size) {
    for (let y = 0; y < size; y++) {
      const t = query + Math.floor((y * n) / size);
      for (let x = 0; x < size; x++) {
        const s = key + Math.floor((x * n) / size);
        pixels[y * size + x] = causal && s > t ? 0 : palette[values[t * T + s]!]!;
      }
    }
    return;
  }
  const column = new Uint32Array(n);
  for (let s = 0; s < n; s++) column[s] = Math.floor((s * size) / n);
  const top = new Uint8Array(size);
  let seen = 0;
  let y = 0;
  for (let t = 0; t < n; t++) {
    const start = (query + t) * T + key;
    const end = causal ? Math.min(n, query + t - key + 1) : n;
    for (let s = 0; s < end; s++) {
      const value = values[start + s]!;
      const x = column[s]!;
      if (value > top[x]!) top[x] = value;
    }
    if (end > 0) seen = column[end - 1]! + 1;
    if (t + 1 < n && Math.floor(((t + 1) * size) / n) === y) continue;
    for (let x = 0; x < seen; x++) pixels[y * size + x] = palette[top[x]!]!;
    top.fill(0);
    y++;
  }
}
