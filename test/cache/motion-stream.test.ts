import { afterAll, describe, expect, it } from 'vitest';
import { ChunkStream } from '../../src/cache/motion/chunk-stream.ts';
import { seenChunks, slotPositions } from '../../src/models/flow/chunks.ts';
import { flowDecoder } from '../../src/models/flow/flow-decoder.ts';
import { jointGuidance, shiftedTime, stepTimes } from '../../src/models/flow/sampling.ts';
import { normal, seededRandom } from '../../src/random.ts';
import type { HostTensor } from '../../src/runtime/backend.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { input, less } from '../../src/tensor/index.ts';
import { compileValues } from '../../src/train/values.ts';
import { flowInputs, randomParameters, requestOf, streamed, tiny } from './motion-support.ts';
import { worst } from './support.ts';

const runtime = nodeRuntime({ threads: 1 });
afterAll(() => runtime.dispose());

const float = (shape: number[], data: ArrayLike<number>): HostTensor => ({
  ...{ type: 'float32', shape, data: Float32Array.from(data) },
});
const int = (data: readonly number[]): HostTensor => ({
  ...{ type: 'int64', shape: [data.length], data: BigInt64Array.from(data, BigInt) },
});
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
const parameters = randomParameters(tiny);
const [N, W, J] = [tiny.tokens, tiny.latent, tiny.condition];

describe('slots of a chunk stream', () => {
  it('of c3s1w1 are 0–2, 3–5 and 6–8, for the ninth chunk and for the nine-hundredth', () => {
    const window = { frames: 3, sinks: 1, window: 1 };
    for (const chunk of [8, 899]) {
      expect(seenChunks(chunk, window)).toEqual([0, chunk - 1]);
      expect(slotPositions(chunk, window)).toEqual({ seen: range(0, 6), own: [6, 7, 8] });
    }
    expect([0, 1, 2].map((chunk) => slotPositions(chunk, window).own[0])).toEqual([0, 3, 6]);
  });

  it('a sink is not counted in the window as well', () => {
    expect(range(0, 6).map((chunk) => seenChunks(chunk, { frames: 1, sinks: 2, window: 2 }))).toEqual([
      [],
      [0],
      [0, 1],
      [0, 1, 2],
      [0, 1, 2, 3],
      [0, 1, 3, 4],
    ]);
    expect(seenChunks(5, { frames: 1, sinks: 0, window: 2 })).toEqual([3, 4]);
    expect(seenChunks(5, { frames: 1, sinks: 1, window: 0 })).toEqual([0]);
  });
});

describe('noise levels and guidance', () => {
  it('a shift of 6 takes 0.5 to 3/3.5, and keeps both ends', () => {
    expect(shiftedTime(0.5)).toBeCloseTo(3 / 3.5, 12);
    expect([shiftedTime(0), shiftedTime(1)]).toEqual([0, 1]);
    expect(stepTimes(3)).toEqual([1, 12 / 13, 0.75]);
    expect(stepTimes(2, 1)).toEqual([1, 0.5]);
    expect(() => shiftedTime(1.5)).toThrow('shifted time: expected t from 0 to 1, got 1.5');
  });

  it('with equal weights w is 2 w v(both) + (½ − w)(v(motion) + v(text))', () => {
    const [both, motion, text] = [
      [1, -2],
      [0.5, 3],
      [4, 0.25],
    ] as const;
    for (const w of [0.5, 1, 3]) {
      const found = jointGuidance({ both, motion, text }, w, w);
      for (const i of [0, 1] as const)
        expect(found[i]).toBeCloseTo(2 * w * both[i] + (0.5 - w) * (motion[i] + text[i]), 5);
    }
  });

  it('coefficients sum to 1 whatever the weights', () => {
    for (const weights of [
      [3, 1.5],
      [0, 2],
      [7, 0.1],
    ] as const) {
      const same = { both: [2], motion: [2], text: [2] };
      expect(jointGuidance(same, ...weights)[0]).toBeCloseTo(2, 5);
    }
    expect(() => jointGuidance({ both: [1], motion: [1, 2], text: [1] })).toThrow('got 1, 2 and 1');
    expect(() => jointGuidance({ both: [1], motion: [1], text: [1] }, 0, 0)).toThrow('have no finite shares');
  });
});

describe('a chunk stream', () => {
  it('with everything in its window is one forward pass under a mask that is causal by chunks', async () => {
    const window = { frames: 2, sinks: 0, window: 4 };
    const options = { runtime, sizes: tiny, parameters, window };
    const chunks = 4;
    const made = await streamed(options, chunks);
    // Clean chunks at t = 0, then the states of the last denoising step.
    const [T, all] = [window.frames * N, 2 * chunks * window.frames * N];
    const visible = Array.from({ length: all * all }, (_, i) => {
      const [query, key] = [Math.floor(i / all), i % all].map((token) => ({
        ...{ chunk: Math.floor(token / T) % chunks, clean: token < chunks * T },
      })) as [{ chunk: number; clean: boolean }, { chunk: number; clean: boolean }];
      if (query.clean) return key.clean && key.chunk <= query.chunk;
      return key.clean ? key.chunk < query.chunk : key.chunk === query.chunk;
    });
    const requests = range(0, chunks).map((chunk) => requestOf(options, chunk));
    const twice = <A>(values: readonly A[]) => [...values, ...values];
    const perToken = (of: (chunk: number, t: number) => readonly number[]) =>
      twice(range(0, chunks).flatMap((chunk) => range(0, T).flatMap((t) => of(chunk, t))));
    const isFirst = (chunk: number, t: number) => chunk === 0 && t < N;
    const program = await compileValues(runtime, {
      clean: flowDecoder(tiny, flowInputs(tiny, all), undefined, less(0.5, input('visible', { T: all, S: all }))).clean,
    });
    const { clean } = await program.run(parameters, {
      latents: float(
        [1, all, W],
        [...made.flatMap(({ latents }) => [...latents]), ...made.flatMap((one) => [...one.lastState])],
      ),
      time: float(
        [1, all],
        range(0, all).map((i) => (i < all / 2 ? 0 : 0.75)),
      ),
      condition: float(
        [1, all, J],
        perToken((chunk, t) => {
          const frame = Math.floor(t / N);
          return [...requests[chunk]!.condition.slice(frame * J, (frame + 1) * J)];
        }),
      ),
      given: float(
        [1, all, W],
        perToken((chunk, t) =>
          isFirst(chunk, t) ? [...requests[0]!.given!.latents.slice(t * W, (t + 1) * W)] : [0, 0, 0],
        ),
      ),
      is_given: float(
        [1, all],
        perToken((chunk, t) => [Number(isFirst(chunk, t))]),
      ),
      places: int(range(0, all).map((t) => t % N)),
      positions: int(perToken((chunk, t) => [chunk * window.frames + Math.floor(t / N)])),
      visible: float([all, all], visible.map(Number)),
    });
    const whole = clean.data as Float32Array;
    const half = whole.length / 2;
    const expected = range(0, chunks).map((i) => whole.slice(half + i * T * W, half + (i + 1) * T * W));
    expect(
      worst(
        made.map(({ latents }) => latents),
        expected,
      ),
    ).toBeLessThan(1e-5);
    expect(Math.max(...whole.slice(half).map(Math.abs))).toBeGreaterThan(0.5);
  });

  it.each([
    [1, 1],
    [2, 2],
    [0, 2],
  ])(
    'with %i sinks and a window of %i is the same whether sinks are stored rotated or not, however far it rolled',
    async (sinks, width) => {
      const options = { runtime, sizes: tiny, parameters, window: { frames: 3, sinks, window: width }, batch: 2 };
      const mixed = await streamed({ ...options, storage: 'mixed' }, 11);
      const unrotated = await streamed({ ...options, storage: 'unrotated' }, 11);
      const latents = (made: typeof mixed) => made.map((one) => one.latents);
      expect(worst(latents(mixed), latents(unrotated))).toBeLessThan(1e-5);
    },
  );

  it('sees nothing of what has left its window: another past with the same last chunk goes on alike only without a sink', async () => {
    const difference = async (sinks: number) => {
      const options = { runtime, sizes: tiny, parameters, window: { frames: 2, sinks, window: 1 } };
      const streams = [0, 1].map(() => new ChunkStream({ ...options, noise: normal(seededRandom(5)) }));
      const last = await Promise.all(
        streams.map(async (stream, i) => {
          for (const chunk of [0, 1]) await stream.next(requestOf(options, chunk, chunk === 0 ? 7 + i : 7));
          const { cache } = stream;
          // The window's slot is the last of each layer: the same in both from here on.
          const [row, slot] = [cache.keys.length / tiny.L, cache.chunkTokens * tiny.H * tiny.D];
          for (const held of [cache.keys, cache.values])
            for (let l = 1; l <= tiny.L; l++) held.fill(0.1, l * row - slot, l * row);
          return (await stream.next(requestOf(options, 2))).latents;
        }),
      );
      return worst([last[0]!], [last[1]!]);
    };
    expect(await difference(0)).toBe(0);
    expect(await difference(1)).toBeGreaterThan(1e-3);
  });

  it('has the same memory and the same shapes from the first chunk to the fortieth', async () => {
    const window = { frames: 2, sinks: 1, window: 2 };
    const seen = new Set<string>();
    const bytes = new Set<number>();
    const held: string[] = [];
    await streamed({ runtime, sizes: tiny, parameters, window }, 40, ({ cache }) => {
      seen.add(JSON.stringify(Object.entries(cache.feeds()).map(([name, { shape }]) => [name, shape])));
      bytes.add(cache.bytes);
      held.push(cache.chunks.join());
    });
    expect([seen.size, bytes.size]).toEqual([1, 1]);
    expect(held.slice(0, 5)).toEqual([',,', '0,,', '0,1,', '0,1,2', '0,3,2']);
    expect(held.at(-1)).toBe('0,37,38');
  });

  it('refuses arrays of another length, times that do not fall and a window that sees nothing', async () => {
    const options = { runtime, sizes: tiny, parameters, window: { frames: 2, sinks: 1, window: 1 }, noise: () => 0 };
    await expect(new ChunkStream(options).next({ condition: new Float32Array(3) })).rejects.toThrow(
      'chunk stream: expected 8 numbers of condition, got 3',
    );
    expect(() => new ChunkStream({ ...options, times: [0.5, 0.75] })).toThrow('got 0.5, 0.75');
    expect(() => new ChunkStream({ ...options, window: { frames: 2, sinks: 0, window: 0 } })).toThrow(
      'chunk cache: expected sinks or a window of at least one chunk',
    );
    await expect(new ChunkStream({ ...options, parameters: new Map() }).next(requestOf(options, 0))).rejects.toThrow(
      'chunk stream: there is no parameter',
    );
  });
});

describe('inside a chunk', () => {
  it('frames in another order, with their positions, give outputs in that order; where all of it stands does not matter', async () => {
    const frames = 3;
    const T = frames * N;
    const program = await compileValues(runtime, { clean: flowDecoder(tiny, flowInputs(tiny, T)).clean });
    const draw = normal(seededRandom(3));
    const values = (width: number) => range(0, T).map(() => range(0, width).map(draw));
    const [latents, condition, given] = [values(W), values(J), values(W)];
    const run = async (order: readonly number[], positions = order) => {
      const tokens = order.flatMap((frame) => range(frame * N, (frame + 1) * N));
      const { clean } = await program.run(parameters, {
        latents: float(
          [1, T, W],
          tokens.flatMap((t) => latents[t]!),
        ),
        time: float(
          [1, T],
          range(0, T).map(() => 0.75),
        ),
        condition: float(
          [1, T, J],
          tokens.flatMap((t) => condition[t]!),
        ),
        given: float(
          [1, T, W],
          tokens.flatMap((t) => given[t]!),
        ),
        is_given: float(
          [1, T],
          tokens.map((t) => Number(t < N)),
        ),
        places: int(range(0, T).map((t) => t % N)),
        positions: int(positions.flatMap((frame) => range(0, N).map(() => frame))),
      });
      return (frame: number) => (clean.data as Float32Array).slice(frame * N * W, (frame + 1) * N * W);
    };
    const [straight, permuted] = [await run([0, 1, 2]), await run([2, 0, 1])];
    expect(worst([permuted(0), permuted(1), permuted(2)], [straight(2), straight(0), straight(1)])).toBeLessThan(1e-5);
    const later = await run([0, 1, 2], [50, 51, 52]);
    expect(worst([later(0), later(1), later(2)], [straight(0), straight(1), straight(2)])).toBeLessThan(1e-4);
    const unmoved = await run([2, 0, 1], [0, 1, 2]);
    expect(worst([unmoved(0)], [straight(2)])).toBeGreaterThan(1e-3);
  });
});
