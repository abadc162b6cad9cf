import { checkLength, type Waveform } from './waveform.ts';

/** Zero crossings of the filter on each side. */
const CROSSINGS = 64;
/** Kaiser window for 100 dB. */
const BETA = 10.06;
/** Of the lower Nyquist frequency: the band of transition ends where it begins. */
const CUTOFF = 0.95;
/** Entries of the table from one zero crossing to the next; in between it is linear, within 4e-7. */
const STEPS = 1024;

/**
 * Resamples with a sinc under a Kaiser window: flat to 0.9 of the lower Nyquist frequency, over 95 dB down from that frequency on.
 * Samples beyond both ends count as 0.
 * @param rate samples a second of the result.
 * @throws InputError for a rate outside 1000 to 384000.
 */
export function resampleAudio({ samples, rate: from }: Waveform, rate: number): Waveform {
  checkLength(0, rate, 'rate asked for');
  if (from === rate) return { samples, rate };
  const table = filterTable();
  // Places are counted in zero crossings of the filter, which lie wider apart when it must cut frequencies off.
  const crossing = CUTOFF * Math.min(1, rate / from);
  const reach = CROSSINGS / crossing;
  const result = new Float32Array(Math.ceil((samples.length * rate) / from));
  for (let i = 0; i < result.length; i++) {
    const center = (i * from) / rate;
    const end = Math.min(Math.floor(center + reach), samples.length - 1);
    let sum = 0;
    for (let k = Math.max(Math.ceil(center - reach), 0); k <= end; k++) {
      const place = Math.abs(k - center) * crossing * STEPS;
      const at = Math.floor(place);
      const low = table[at]!;
      sum += samples[k]! * (low + (place - at) * (table[at + 1]! - low));
    }
    result[i] = sum * crossing;
  }
  return { samples: result, rate };
}

let filter: Float64Array | undefined;

/** One half of the filter; the entry past its end keeps interpolation within the table. */
function filterTable(): Float64Array {
  filter ??= Float64Array.from({ length: CROSSINGS * STEPS + 2 }, (_, i) => {
    const x = Math.min(i / STEPS, CROSSINGS);
    const sinc = x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
    return (sinc * bessel(BETA * Math.sqrt(1 - (x / CROSSINGS) ** 2))) / bessel(BETA);
  });
  return filter;
}

/** Modified Bessel function of the first kind and order 0, by its power series. */
function bessel(x: number): number {
  let [sum, term] = [1, 1];
  for (let k = 1; term > 1e-17 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}
