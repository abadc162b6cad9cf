import { expect, it } from 'vitest';
import { picturePreview } from '../../src/measure/picture-preview.ts';

const bytes = (rgb: string) => Array.from(atob(rgb), (character) => character.charCodeAt(0));

it('a small picture is kept as it is', () => {
  const data = Uint8Array.from({ length: 2 * 3 * 3 }, (_, i) => i * 14);
  const { width, height, rgb } = picturePreview({ width: 3, height: 2, data });
  expect([width, height, bytes(rgb)]).toEqual([3, 2, Array.from(data)]);
});

it('a larger one keeps its shape, each pixel the mean of those it covers', () => {
  // 4 × 2 pixels: the left half 10 and 30, the right half 100 throughout.
  const grey = [10, 30, 100, 100, 10, 30, 100, 100];
  const data = Uint8Array.from(grey.flatMap((value) => [value, 0, 255]));
  const { width, height, rgb } = picturePreview({ width: 4, height: 2, data }, 2);
  expect([width, height]).toEqual([2, 1]);
  expect(bytes(rgb)).toEqual([20, 0, 255, 100, 0, 255]);
});

it('a line of pixels does not vanish', () => {
  const { width, height, rgb } = picturePreview({ width: 1000, height: 1, data: new Uint8Array(3000).fill(7) }, 10);
  expect([width, height, bytes(rgb)]).toEqual([10, 1, Array(30).fill(7)]);
});
