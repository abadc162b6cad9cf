import type { Rotary } from './rope.ts';

/** Settings of rotary embedding as the readers give them; see `load/rope-config.ts` for their meaning. */
export type RopeSettings = {
  readonly theta: number;
  readonly partial: number;
} & (
  | { readonly kind: 'default' }
  | { readonly kind: 'linear' | 'proportional'; readonly factor: number }
  | {
      readonly kind: 'llama3';
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalMaxPositions: number;
    }
  | {
      readonly kind: 'yarn';
      readonly factor: number;
      readonly originalMaxPositions: number;
      readonly betaFast: number;
      readonly betaSlow: number;
      readonly truncate: boolean;
      readonly attentionFactor?: number;
      readonly mscale?: number;
      readonly mscaleAllDim?: number;
    }
);

const clamp = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high);

/** YaRN's temperature, 2309.00071: 0.1 · m · ln(factor) + 1. */
const yarnScale = (factor: number, m = 1) => (factor <= 1 ? 1 : 0.1 * m * Math.log(factor) + 1);

/** Frequencies theta^(−2i / width) of the turning part of a head of width D, scaled as the settings say. An odd width turns one component more. */
export function rotary(rope: RopeSettings, headWidth: number): Rotary {
  const width = Math.trunc(headWidth * rope.partial);
  const plain = Array.from({ length: Math.ceil(width / 2) }, (_, i) => rope.theta ** ((-2 * i) / width));
  switch (rope.kind) {
    case 'default':
      return { frequencies: plain };
    case 'proportional': {
      const turning = Math.trunc((headWidth * rope.partial) / 2);
      const frequency = (i: number) => rope.theta ** ((-2 * i) / headWidth) / rope.factor;
      return { frequencies: Array.from({ length: headWidth / 2 }, (_, i) => (i < turning ? frequency(i) : 0)) };
    }
    case 'linear':
      return { frequencies: plain.map((f) => f / rope.factor) };
    case 'llama3': {
      const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalMaxPositions: length } = rope;
      const scaled = plain.map((f) => {
        const turns = (length * f) / (2 * Math.PI);
        const keep = clamp((turns - low) / (high - low), 0, 1);
        return keep * f + ((1 - keep) * f) / factor;
      });
      return { frequencies: scaled };
    }
    case 'yarn': {
      const turnsAt = (turns: number) =>
        (width * Math.log(rope.originalMaxPositions / (turns * 2 * Math.PI))) / (2 * Math.log(rope.theta));
      const ends = [turnsAt(rope.betaFast), turnsAt(rope.betaSlow)] as const;
      const low = Math.max(rope.truncate ? Math.floor(ends[0]) : ends[0], 0);
      const high = Math.min(rope.truncate ? Math.ceil(ends[1]) : ends[1], width - 1);
      const scaled = plain.map((f, i) => {
        const divide = clamp((i - low) / (high === low ? 0.001 : high - low), 0, 1);
        return divide * (f / rope.factor) + (1 - divide) * f;
      });
      const { mscale, mscaleAllDim } = rope;
      const implied =
        mscale && mscaleAllDim
          ? yarnScale(rope.factor, mscale) / yarnScale(rope.factor, mscaleAllDim)
          : yarnScale(rope.factor);
      return { frequencies: scaled, factor: rope.attentionFactor ?? implied };
    }
  }
}
