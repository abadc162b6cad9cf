import { expect, it } from 'vitest';
import { spectrogramPreview } from '../../src/measure/spectrogram-preview.ts';

const bytes = (values: string) => Array.from(atob(values), (character) => character.charCodeAt(0));

it('a small spectrogram is kept, from 0 for its least to 255 for its largest value', () => {
  const sound = { data: Float32Array.of(-1, 0, 1, -1, -1, 0.2), bins: 2, frames: 3, frameSeconds: 0.01, seconds: 0.02 };
  const { values, ...sizes } = spectrogramPreview(sound);
  expect(sizes).toEqual({ bins: 2, columns: 3, columnSeconds: 0.01, soundSeconds: 0.02 });
  expect(bytes(values)).toEqual([0, 128, 255, 0, 0, 153]);
});

it('a larger one keeps its duration, each cell the mean of those it covers', () => {
  // 4 bands × 6 frames of their own number.
  const data = Float32Array.from({ length: 24 }, (_, i) => i);
  const sound = { data, bins: 4, frames: 6, frameSeconds: 0.01, seconds: 0.05 };
  const { values, ...sizes } = spectrogramPreview(sound, { bins: 2, columns: 3 });
  expect(sizes).toEqual({ bins: 2, columns: 3, columnSeconds: 0.02, soundSeconds: 0.05 });
  // Means 3.5, 5.5, 7.5 and 15.5, 17.5, 19.5.
  expect(bytes(values)).toEqual([0, 32, 64, 191, 223, 255]);
});

it('silence alone is 0 throughout', () => {
  const sound = { data: new Float32Array(6).fill(-1.5), bins: 2, frames: 3, frameSeconds: 0.01, seconds: 0.03 };
  expect(bytes(spectrogramPreview(sound).values)).toEqual([0, 0, 0, 0, 0, 0]);
});
