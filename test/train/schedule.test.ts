import { describe, expect, it } from 'vitest';
import { constant, cosine, type Schedule, warmupStableDecay } from '../../src/train/schedule.ts';

const rates = ({ rate }: Schedule, steps: number) =>
  Array.from({ length: steps }, (_, i) => Math.round(rate(i + 1) * 1e6) / 1e6);

describe('learning rates, by number of the update', () => {
  it('constant rises in equal parts and stays', () => {
    expect(rates(constant({ peak: 1, warmup: 4 }), 6)).toEqual([0.25, 0.5, 0.75, 1, 1, 1]);
    expect(rates(constant({ peak: 0.3 }), 2)).toEqual([0.3, 0.3]);
  });

  it('cosine falls by half a cosine to its end at the last step, and holds there', () => {
    const at = rates(cosine({ peak: 2, warmup: 2, steps: 6, end: 0 }), 8);
    expect(at).toEqual([1, 2, 1 + Math.SQRT1_2, 1, 1 - Math.SQRT1_2, 0, 0, 0].map((x) => Math.round(x * 1e6) / 1e6));
    expect(cosine({ peak: 1, steps: 10 }).rate(10)).toBeCloseTo(0.1, 12);
  });

  it('warm-up, stable, decay is flat until the last steps and then falls in equal parts', () => {
    expect(rates(warmupStableDecay({ peak: 1, warmup: 2, steps: 8, decay: 4, end: 0.2 }), 9)).toEqual([
      0.5, 1, 1, 1, 0.8, 0.6, 0.4, 0.2, 0.2,
    ]);
    expect(warmupStableDecay({ peak: 1, steps: 10 }).settings.decay).toBe(2);
    expect(rates(warmupStableDecay({ peak: 1, steps: 3, decay: 0 }), 3)).toEqual([1, 1, 1]);
  });

  it('refuses settings that leave no schedule', () => {
    expect(() => cosine({ peak: 1, warmup: 9, steps: 8 })).toThrow('cosine: warm-up and decay take 9 of 8 steps');
    expect(() => warmupStableDecay({ peak: 1, warmup: 5, decay: 5, steps: 8 })).toThrow(
      'warmupStableDecay: warm-up and decay take 10 of 8 steps',
    );
    expect(() => constant({ peak: Number.NaN })).toThrow('constant: peak must be a number of at least 0, got NaN');
    expect(() => cosine({ peak: 1, steps: 8, end: 2 })).toThrow('cosine: end must be from 0 to 1, got 2');
    expect(() => constant({ peak: 1, warmup: 1.5 })).toThrow(
      'constant: warmup must be a whole number of at least 0, got 1.5',
    );
  });
});
