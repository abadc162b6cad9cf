import { describe, expect, it } from 'vitest';
import { type MultimodalPart, multimodalPositions } from '../../src/cache/multimodal-positions.ts';

const text = (tokens: number): MultimodalPart => ({ kind: 'text', tokens });
const vision = (frames: number, rows: number, columns: number): MultimodalPart => ({
  ...{ kind: 'vision', frames, rows, columns },
});

describe('positions on three axes', () => {
  it('two text tokens, a grid of 1 × 2 × 2, one text token', () => {
    const { time, height, width, next } = multimodalPositions([text(2), vision(1, 2, 2), text(1)], {
      tokensPerSecond: 1,
    });
    expect(time.map((t, i) => [t, height[i], width[i]])).toEqual([
      [0, 0, 0],
      [1, 1, 1],
      [2, 2, 2],
      [2, 2, 3],
      [2, 3, 2],
      [2, 3, 3],
      [4, 4, 4],
    ]);
    expect(next).toBe(5);
  });

  it('time steps scale with the frame rate, and text goes on behind the largest of all axes', () => {
    const grid = [text(1), vision(3, 1, 2), text(1)];
    expect(multimodalPositions(grid, { tokensPerSecond: 2 }).time).toEqual([0, 1, 1, 3, 3, 5, 5, 6]);
    expect(multimodalPositions(grid, { tokensPerSecond: 2, framesPerSecond: 8 }).time).toEqual([
      0, 1, 1, 1, 1, 2, 2, 3,
    ]);
    expect(multimodalPositions([vision(1, 1, 5), text(1)]).time.at(-1)).toBe(5);
  });

  it('without a block all later tokens shift left by what it took', () => {
    const all = multimodalPositions([text(3), vision(2, 2, 2), text(2), vision(1, 2, 3), text(1)]);
    const kept = multimodalPositions([text(3), text(2), vision(1, 2, 3), text(1)]);
    for (const axis of ['time', 'height', 'width'] as const) {
      expect(kept[axis].slice(0, 3)).toEqual(all[axis].slice(0, 3));
      expect(kept[axis].slice(3)).toEqual(all[axis].slice(11).map((position) => position - 3));
    }
    expect(kept.next).toBe(all.next - 3);
  });

  it('refuses counts and rates that are none', () => {
    expect(() => multimodalPositions([text(1), vision(1, 0, 2)])).toThrow(
      'multimodal positions: expected rows of part 1 to be a whole number from 1, got 0',
    );
    expect(() => multimodalPositions([], { framesPerSecond: 0 })).toThrow(
      'multimodal positions: expected framesPerSecond to be a positive number, got 0',
    );
  });
});
