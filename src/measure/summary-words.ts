/** Words and figures of the summary: short, rounded, the same everywhere. */

/** A share as whole per cent; what rounds to nothing without being nothing is "under 1 %". */
export function percent(share: number): string {
  return share > 0 && share < 0.005 ? 'under 1 %' : `${Math.round(share * 100)} %`;
}

/** "40–70 %", or "40 %" when both ends round to the same. */
export function percentRange(shares: readonly number[]): string {
  const low = percent(Math.min(...shares));
  const high = percent(Math.max(...shares));
  if (low === high) return low;
  return low.startsWith('under') ? `up to ${high}` : `${low.replace(' %', '')}–${high}`;
}

/** "layer 3", "layers 8–21 and 24": sorted layer numbers with runs joined. */
export function layerList(layers: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const layer of layers) {
    const run = runs.at(-1);
    if (run && run[1] === layer - 1) run[1] = layer;
    else runs.push([layer, layer]);
  }
  const words = joined(runs.map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`)));
  return `${layers.length === 1 ? 'layer' : 'layers'} ${words}`;
}

/** "a, b and c". */
export function joined(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;
}

/** Three or fewer significant digits, thousands with commas: 9,100. */
export function figure(value: number, digits = 3): string {
  return new Intl.NumberFormat('en', { maximumSignificantDigits: digits }).format(value);
}

/** A token's text in quotes, cut to 16 code points; views escape it. */
export function quoted(text: string): string {
  const points = Array.from(text.slice(0, 64));
  return `"${points.length > 16 ? `${points.slice(0, 15).join('')}…` : points.join('')}"`;
}

export function capitalised(sentence: string): string {
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}
