/**
 * Llama 3's rotary scaling from a GGUF file. The file has no parameters, only `rope_freqs.weight` [D/2]: what each frequency is
 * divided by. Of f_i = theta^(-2i/D), with s = (L f / 2 pi - low) / (high - low) between the two ends,
 * 1 / factor_i = (1 - s) / F + s; only L/low and L/high matter, so low is 1. The parameters are solved for and must give the
 * table back to 1e-5.
 */

export interface Llama3Parameters {
  readonly factor: number;
  readonly low_freq_factor: number;
  readonly high_freq_factor: number;
  readonly original_max_position_embeddings: number;
}

/** What each frequency is divided by under Llama 3 scaling, as transformers computes it. */
export function llama3Factors(theta: number, count: number, p: Llama3Parameters): number[] {
  return Array.from({ length: count }, (_, i) => {
    const turns = (p.original_max_position_embeddings * theta ** (-i / count)) / (2 * Math.PI);
    if (turns > p.high_freq_factor) return 1;
    if (turns < p.low_freq_factor) return p.factor;
    const smooth = (turns - p.low_freq_factor) / (p.high_freq_factor - p.low_freq_factor);
    return 1 / ((1 - smooth) / p.factor + smooth);
  });
}

function close(a: number, b: number): boolean {
  return Math.abs(a - b) <= 1e-5 * Math.abs(b);
}

/** The nearest whole number when that is within 0.1 %, so that 8191.7 is read as 8192; the table decides whether it holds. */
function tidy(value: number): number {
  const whole = Math.round(value);
  return Math.abs(value - whole) <= 1e-3 * value ? whole : value;
}

/** Guesses of [high, L] from the table; the published ratio of 4 where too few frequencies lie between the ends. */
function candidates(theta: number, table: Float32Array, factor: number): [high: number, positions: number][] {
  const frequency = (i: number) => theta ** (-i / table.length) / (2 * Math.PI);
  const between = [...table.keys()].filter((i) => table[i]! > 1 && table[i]! < factor);
  const smooth = (i: number) => (1 / table[i]! - 1 / factor) / (1 - 1 / factor);
  if (between.length >= 2) {
    const [a, b] = [between[0]!, between.at(-1)!];
    const slope = (smooth(a) - smooth(b)) / (frequency(a) - frequency(b));
    const high = 1 - 1 / (smooth(a) - slope * frequency(a));
    return [
      [tidy(high), tidy(slope * (tidy(high) - 1))],
      [high, slope * (high - 1)],
    ];
  }
  if (between.length === 1) {
    const positions = (smooth(between[0]!) * 3 + 1) / frequency(between[0]!);
    return [
      [4, tidy(positions)],
      [4, positions],
    ];
  }
  const scaled = table.findIndex((value) => value > 1);
  if (scaled === 0) return [[4, 0.5 / frequency(0)]];
  return [[4, Math.sqrt((4 / frequency(scaled - 1)) * (1 / frequency(scaled)))]];
}

/** The parameters behind a table of factors, `none` when all are 1, or undefined when no parameters of this kind give it. */
export function recoverLlama3(theta: number, table: Float32Array): Llama3Parameters | 'none' | undefined {
  if (table.every((value) => value === 1)) return 'none';
  const factor = Math.max(...table);
  for (const [high, positions] of candidates(theta, table, factor)) {
    const parameters = {
      factor,
      low_freq_factor: 1,
      high_freq_factor: high,
      original_max_position_embeddings: positions,
    };
    if (!(factor > 1 && high > 1 && positions >= 1)) continue;
    if (llama3Factors(theta, table.length, parameters).every((value, i) => close(value, table[i]!))) return parameters;
  }
  return undefined;
}
