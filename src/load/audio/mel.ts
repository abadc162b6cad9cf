/** One filter: weights of the frequencies `[first, first + weights.length)`. */
export interface MelFilter {
  readonly first: number;
  readonly weights: Float64Array;
}

const toMel = (hertz: number) =>
  hertz < 1000 ? (3 * hertz) / 200 : 15 + (27 * Math.log(hertz / 1000)) / Math.log(6.4);
const toHertz = (mel: number) => (mel < 15 ? (200 * mel) / 3 : 1000 * Math.exp((Math.log(6.4) / 27) * (mel - 15)));

/**
 * Triangular filters on Slaney's mel scale (linear to 1 kHz, then logarithmic), each divided by half its width in Hz, so that all
 * have the same area (Slaney, Auditory Toolbox, 1998).
 * @param bins filters.
 * @param frequencies number of frequencies, from 0 to `rate / 2` in even steps.
 * @param highest in Hz, where the last filter ends.
 */
export function melFilters(bins: number, frequencies: number, rate: number, highest: number): MelFilter[] {
  const corners = Array.from({ length: bins + 2 }, (_, i) => toHertz((toMel(highest) * i) / (bins + 1)));
  const step = rate / 2 / (frequencies - 1);
  return Array.from({ length: bins }, (_, bin) => {
    const [low = 0, middle = 0, high = 0] = corners.slice(bin, bin + 3);
    const first = Math.min(Math.max(Math.ceil(low / step), 0), frequencies - 1);
    const last = Math.min(Math.floor(high / step), frequencies - 1);
    const weights = Float64Array.from({ length: Math.max(last - first + 1, 0) }, (_, i) => {
      const hertz = (first + i) * step;
      const height = Math.min((hertz - low) / (middle - low), (high - hertz) / (high - middle));
      return (Math.max(height, 0) * 2) / (high - low);
    });
    return { first, weights };
  });
}
