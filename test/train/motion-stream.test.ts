import { afterAll, describe, expect, it } from 'vitest';
import { ChunkStream } from '../../src/cache/motion/chunk-stream.ts';
import { stepTimes } from '../../src/models/flow/sampling.ts';
import { seededRandom } from '../../src/random.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { adamW } from '../../src/train/optimizers/adamw.ts';
import { initialState } from '../../src/train/state.ts';
import { conditionOf, frameErrors, latentsOf, motionClip } from '../../src/train/toys/motion-clips.ts';
import { motionSizes, motionStream } from '../../src/train/toys/motion-stream.ts';
import { trainToy } from '../../src/train/toys/train-toy.ts';
import { compileValues } from '../../src/train/values.ts';

const runtime = nodeRuntime({ threads: 1 });
afterAll(() => runtime.dispose());

describe('clips of a moving blob', () => {
  it('show their identity and place, and nothing of it where there is nothing', () => {
    const { identity, places } = motionClip(seededRandom(4), 30);
    for (const place of places) {
      const { identity: off, control } = frameErrors(latentsOf(place, identity), place, identity);
      expect(off).toBeLessThan(1e-9);
      expect(control).toBeLessThan(0.0101);
      const nothing = frameErrors(new Float32Array(16), place, identity);
      expect(nothing.identity).toBeCloseTo(Math.hypot(...identity), 9);
      expect(nothing.energy).toBe(0);
    }
    const elsewhere = frameErrors(latentsOf(-0.5, identity), 0.3, identity);
    expect(elsewhere.control).toBeCloseTo(0.8, 1);
    expect(new Set(places.map((place) => place.toFixed(3))).size).toBeGreaterThan(20);
    expect(Math.max(...places.map(Math.abs))).toBeLessThanOrEqual(0.8);
  });

  it('have identities of mean square 1, told in the condition only on request', () => {
    const random = seededRandom(9);
    const squares = Array.from({ length: 4000 }, () => Math.hypot(...motionClip(random, 1).identity) ** 2);
    expect(squares.reduce((a, b) => a + b) / squares.length).toBeCloseTo(1, 1);
    expect(conditionOf(0.2).slice(-2)).toEqual([0, 0]);
    expect(conditionOf(0.2, [0.5, -1]).slice(-2)).toEqual([0.5, -1]);
  });
});

describe('training of the chunk stream', () => {
  it.each([
    [1, 1],
    [0, 2],
  ])('makes the very chunks that the stream makes from the same noise: %i sinks, window %i', async (sinks, window) => {
    const chunks = 4;
    const toy = motionStream({ sinks, window, chunks });
    const task = toy.task();
    const { parameters } = initialState(task, adamW(), 3);
    const fed = toy.sample(seededRandom(8), 1);
    const times = stepTimes();
    fed.chosen = { type: 'float32', shape: [times.length], data: Float32Array.from([0, 0, 1]) };
    const program = await compileValues(runtime, { loss: task.loss, last: task.metrics!.lastLoss! });
    const { loss, last } = await program.run(parameters, fed);
    let drawn = 0;
    const noise = fed.noise!.data as Float32Array;
    const stream = new ChunkStream({
      ...{ runtime, parameters, sizes: motionSizes, window: { frames: 3, sinks, window } },
      noise: () => noise[drawn++]!,
    });
    const clip = fed.clip!.data as Float32Array;
    const conditions = fed.condition!.data as Float32Array;
    const [size, J] = [clip.length / chunks, motionSizes.condition];
    const errors: number[] = [];
    for (let chunk = 0; chunk < chunks; chunk++) {
      const truth = clip.slice(chunk * size, (chunk + 1) * size);
      // Of a frame's tokens, which all have the condition, the first.
      const condition = Float32Array.from({ length: 3 * J }, (_, i) => {
        const token = (chunk * 3 + Math.floor(i / J)) * motionSizes.tokens;
        return conditions[token * J + (i % J)]!;
      });
      const given = chunk === 0 ? { given: { latents: truth, frames: [0] } } : {};
      const { latents } = await stream.next({ condition, ...given });
      errors.push(latents.reduce((sum, value, i) => sum + (value - truth[i]!) ** 2, 0) / size);
    }
    expect(drawn).toBe(noise.length);
    expect(errors.at(-1)).toBeCloseTo(Number(last.data[0]), 5);
    expect(errors.reduce((a, b) => a + b) / chunks).toBeCloseTo(Number(loss.data[0]), 5);
    expect(errors.at(-1)).toBeGreaterThan(0.1);
  });

  it('learns', async () => {
    const small = motionStream({ chunks: 2, times: [1, 0.75] });
    const losses: number[] = [];
    await trainToy({ ...small, batch: 16, expected: [] }, runtime, {
      steps: 60,
      progress: (_, { loss }) => losses.push(loss!),
    });
    expect(losses[0]).toBeGreaterThan(0.7);
    expect(losses.slice(-10).reduce((a, b) => a + b) / 10).toBeLessThan(0.3);
  });

  it('with the identity told has other conditions and the same clips; a window that is none is refused', () => {
    const fed = (options: Parameters<typeof motionStream>[0]) => motionStream(options).sample(seededRandom(1), 2);
    const [plain, told] = [fed({}), fed({ told: true })];
    expect(told.clip).toEqual(plain.clip);
    expect(told.condition).not.toEqual(plain.condition);
    expect(() => motionStream({ window: -1 })).toThrow('chunks: expected window to be a whole number from 0, got -1');
  });
});
