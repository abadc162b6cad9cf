import { InputError } from '../error.ts';

/** A stretch of text, or the frames of one vision block after the patches have been merged. */
export type MultimodalPart =
  | { readonly kind: 'text'; readonly tokens: number }
  | { readonly kind: 'vision'; readonly frames: number; readonly rows: number; readonly columns: number };

export interface MultimodalOptions {
  /** Positions that a second takes on the time axis. Default 2, as Qwen2.5-VL has. */
  readonly tokensPerSecond?: number;
  /** Frames of the video in a second; two of them make one frame of patches. Default 2. */
  readonly framesPerSecond?: number;
}

/** Positions on three axes, each of the length of the text. */
export interface MultimodalPositions {
  readonly time: number[];
  readonly height: number[];
  readonly width: number[];
  /** Position of the token to come, on all axes. */
  readonly next: number;
}

/**
 * Positions of Qwen2.5-VL on three axes, assigned from 0 to what a cache keeps (2510.09608). A text token takes the next whole number on all
 * axes. A vision block from s on: time s + ⌊frame · 2 / framesPerSecond · tokensPerSecond⌋, height s + row, width s + column; the text after
 * it goes on from the largest over all axes + 1. No model here takes three axes yet: this is the rule alone.
 *
 * Throws an InputError for counts that are no whole numbers from 1 (text: from 0), and rates that are not positive.
 */
export function multimodalPositions(
  parts: readonly MultimodalPart[],
  { tokensPerSecond = 2, framesPerSecond = 2 }: MultimodalOptions = {},
): MultimodalPositions {
  for (const [name, rate] of Object.entries({ tokensPerSecond, framesPerSecond }))
    if (!(rate > 0 && rate < Number.POSITIVE_INFINITY))
      throw new InputError(`multimodal positions: expected ${name} to be a positive number, got ${rate}`);
  const [time, height, width]: [number[], number[], number[]] = [[], [], []];
  let next = 0;
  parts.forEach((part, at) => {
    const { kind, ...counts } = part;
    for (const [name, count] of Object.entries(counts))
      if (!Number.isSafeInteger(count) || count < (kind === 'text' ? 0 : 1))
        throw new InputError(
          `multimodal positions: expected ${name} of part ${at} to be a whole number from ${kind === 'text' ? 0 : 1}, got ${count}`,
        );
    if (part.kind === 'text') {
      for (let i = 0; i < part.tokens; i++, next++) for (const axis of [time, height, width]) axis.push(next);
      return;
    }
    const start = next;
    for (let frame = 0; frame < part.frames; frame++)
      for (let row = 0; row < part.rows; row++)
        for (let column = 0; column < part.columns; column++) {
          const moment = start + Math.floor(((frame * 2) / framesPerSecond) * tokensPerSecond);
          time.push(moment);
          height.push(start + row);
          width.push(start + column);
          next = Math.max(next, moment + 1, start + row + 1, start + column + 1);
        }
  });
  return { time, height, width, next };
}
