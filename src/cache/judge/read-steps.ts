/** How a text is read. */
export interface Pace {
  /** Every token goes alone. Default false: tokens go in chunks, with the exact result, and stretches of single ones are timed. */
  readonly oneByOne: boolean;
  /** Tokens from the beginning of one timed stretch to the next. Default 64. */
  readonly every: number;
  /** Single tokens of a timed stretch. Default 8. */
  readonly stretch: number;
}

export const defaultPace: Pace = { oneByOne: false, every: 64, stretch: 8 };

/** Tokens of a text that go together, or one after the other. */
export interface ReadStep {
  readonly from: number;
  readonly to: number;
  readonly single: boolean;
}

/**
 * The steps in which `total` tokens are read. `chunks`: do chunks give the exact result? `prompt` tokens at the start go in chunks whatever
 * the policy; a chunk ends at every stop.
 */
export function readSteps(
  total: number,
  { oneByOne, every, stretch }: Pace,
  chunks: boolean,
  prompt: number,
  stops: readonly number[],
): ReadStep[] {
  const steps: ReadStep[] = [];
  const alone = oneByOne || !chunks;
  for (let from = 0; from < total; ) {
    const inPrompt = from < prompt;
    const inChunk = inPrompt || (!alone && from % every < every - stretch);
    const end = inPrompt
      ? prompt
      : alone
        ? from + every - (from % every)
        : from - (from % every) + (inChunk ? every - stretch : every);
    const stop = inChunk && chunks ? stops.find((at) => at > from) : undefined;
    const to = Math.min(total, end, stop ?? total);
    steps.push({ from, to, single: !inChunk });
    from = to;
  }
  return steps;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
