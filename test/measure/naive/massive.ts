/** Every massive entry of one layer, straight from the criterion, on h[t][c]. */
export function naiveMassive(h: number[][]): { position: number; dimension: number; value: number }[] {
  const magnitudes = h
    .flat()
    .map(Math.abs)
    .sort((a, b) => a - b);
  const n = magnitudes.length;
  const median = n % 2 ? magnitudes[(n - 1) / 2]! : (magnitudes[n / 2 - 1]! + magnitudes[n / 2]!) / 2;
  const found = [];
  for (let t = 0; t < h.length; t++) {
    for (let c = 0; c < h[t]!.length; c++) {
      const value = h[t]![c]!;
      if (Math.abs(value) > 100 && Math.abs(value) >= 1000 * median) found.push({ position: t, dimension: c, value });
    }
  }
  return found;
}
