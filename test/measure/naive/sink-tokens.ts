/** Which keys stand out, straight from patterns [L][H][T][T] without windows: position, received, excess and layers. */
export function naiveSinkTokens(patterns: number[][][][], epsilon: number) {
  const T = patterns[0]![0]!.length;
  const found = [];
  for (let k = 0; k < T; k++) {
    if (T - k < 32 || T < 64) continue;
    let received = 0;
    let uniform = 0;
    let queries = 0;
    for (let i = Math.max(1, k); i < T; i++) {
      uniform += 1 / (i + 1);
      queries++;
    }
    uniform /= queries;
    const layers: number[] = [];
    patterns.forEach((heads, l) => {
      let standsOut = false;
      for (const pattern of heads) {
        let mean = 0;
        for (let i = Math.max(1, k); i < T; i++) mean += pattern[i]![k]! / queries;
        received += mean / (patterns.length * heads.length);
        if (mean > epsilon && mean > uniform) standsOut = true;
      }
      if (standsOut) layers.push(l);
    });
    if (layers.length === 0 || received <= uniform) continue;
    found.push({
      position: k,
      received,
      excess: received - uniform,
      firstLayer: layers[0]!,
      lastLayer: layers.at(-1)!,
    });
  }
  return found.sort((a, b) => b.excess - a.excess);
}
