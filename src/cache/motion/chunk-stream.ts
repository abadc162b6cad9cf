import { InputError } from '../../error.ts';
import type { ChunkWindow } from '../../models/flow/chunks.ts';
import { type FlowSizes, flowDecoder } from '../../models/flow/flow-decoder.ts';
import { stepTimes } from '../../models/flow/sampling.ts';
import type { HostTensor } from '../../runtime/backend.ts';
import type { Program, Runtime } from '../../runtime/runtime.ts';
import { concat, expand, input, less, lower, mean, pick, type Tensor } from '../../tensor/index.ts';
import { ChunkCache, type ChunkStorage } from './chunk-cache.ts';

export interface ChunkStreamOptions {
  readonly runtime: Runtime;
  readonly sizes: FlowSizes;
  /** Parameters of the flow decoder, by name. */
  readonly parameters: ReadonlyMap<string, Float32Array<ArrayBuffer>>;
  readonly window: ChunkWindow;
  /** Streams side by side. Default 1. */
  readonly batch?: number;
  /** Noise levels of the denoising steps, from 1 down. Default `stepTimes()`. */
  readonly times?: readonly number[];
  /** Default `mixed`, as published. */
  readonly storage?: ChunkStorage;
  /** Standard normal numbers, one a call. */
  readonly noise: () => number;
}

/** What is known of a chunk that is to be made. */
export interface ChunkRequest {
  /** [B, C, condition]: condition of each frame. */
  readonly condition: Float32Array;
  /** [B, C, tokens, latent], with the frames of the chunk, by index, in which it is given. Default none. */
  readonly given?: { readonly latents: Float32Array; readonly frames: readonly number[] };
}

/** A chunk that was made. */
export interface MadeChunk {
  /** [B, C, tokens, latent] */
  readonly latents: Float32Array;
  /** State that went into the last denoising step, of the same shape. */
  readonly lastState: Float32Array;
  /** [L, H]: attention to the sink chunks in the last denoising step, mean over tokens and streams. */
  readonly sinkShare: Float32Array;
}

/**
 * A stream of chunks without end, 2511.01266: each chunk is denoised in a few steps, open in all directions inside itself, seeing the sink
 * chunks and the last few; then its clean latents are read once more at t = 0, and their keys and values are what later chunks see.
 *
 * Memory and the shapes of what is fed never change. One chunk at a time. Left out of the paper: the image autoencoder, tracks, text and their
 * guidance in the loop (`jointGuidance` is the formula), and distribution matching in training.
 */
export class ChunkStream {
  readonly cache: ChunkCache;
  private program: Promise<Program> | undefined;
  private readonly times: readonly number[];

  constructor(private readonly options: ChunkStreamOptions) {
    const { sizes, window, batch = 1, storage, times = stepTimes() } = options;
    if (times.length === 0 || times.some((t, i) => !(t > 0 && t <= 1) || t >= (times[i - 1] ?? 2)))
      throw new InputError(`chunk stream: expected times that fall from at most 1 to above 0, got ${times.join(', ')}`);
    this.times = times;
    this.cache = new ChunkCache(sizes, window, batch, storage);
  }

  /** Makes the next chunk. Throws an InputError where an array has another length than its shape says. */
  async next(request: ChunkRequest): Promise<MadeChunk> {
    const { sizes, noise } = this.options;
    const { B, chunkTokens: T } = this.cache;
    this.program ??= this.compile();
    const program = await this.program;
    const conditions = this.conditions(request);
    const draw = () => Float32Array.from({ length: B * T * sizes.latent }, noise);
    let state: Float32Array = draw();
    let made: Record<string, HostTensor> = {};
    let lastState = state;
    for (const [i, t] of this.times.entries()) {
      made = await this.run(program, state, t, conditions);
      lastState = state;
      const clean = made.clean!.data as Float32Array;
      const after = this.times[i + 1] ?? 0;
      const fresh = after > 0 ? draw() : undefined;
      state = clean.map((value, at) => (1 - after) * value + (fresh ? after * fresh[at]! : 0));
    }
    const sinkShare = this.sinkShare(made.attention!.data as Float32Array);
    const { k, v } = await this.run(program, state, 0, conditions);
    this.cache.push(k!.data as Float32Array, v!.data as Float32Array);
    return { latents: state, lastState, sinkShare };
  }

  private run(program: Program, state: Float32Array, time: number, conditions: Record<string, HostTensor>) {
    const { sizes, parameters } = this.options;
    const { B, chunkTokens: T } = this.cache;
    const weights = program.graph.weights.map(({ input: name, weight, shape }) => {
      const data = parameters.get(weight);
      if (!data) throw new InputError(`chunk stream: there is no parameter ${weight}`);
      return [name, { type: 'float32' as const, shape, data }];
    });
    return program.run({
      ...conditions,
      ...this.cache.feeds(),
      latents: { type: 'float32', shape: [B, T, sizes.latent], data: state },
      time: { type: 'float32', shape: [B], data: new Float32Array(B).fill(time) },
      ...Object.fromEntries(weights),
    });
  }

  private conditions({ condition, given }: ChunkRequest): Record<string, HostTensor> {
    const { sizes, window } = this.options;
    const { B, chunkTokens: T } = this.cache;
    const [N, J, W] = [sizes.tokens, sizes.condition, sizes.latent];
    const expected = { condition: B * window.frames * J, 'given latents': B * T * W };
    const lengths = { condition: condition.length, 'given latents': given?.latents.length ?? B * T * W };
    for (const name of ['condition', 'given latents'] as const)
      if (lengths[name] !== expected[name])
        throw new InputError(`chunk stream: expected ${expected[name]} numbers of ${name}, got ${lengths[name]}`);
    const perToken = new Float32Array(B * T * J);
    for (let i = 0; i < B * T; i++) {
      const frame = Math.floor(i / N);
      perToken.set(condition.subarray(frame * J, (frame + 1) * J), i * J);
    }
    const frames = new Set(given?.frames);
    const isGiven = Float32Array.from({ length: B * T }, (_, i) => (frames.has(Math.floor((i % T) / N)) ? 1 : 0));
    const latents = Float32Array.from({ length: B * T * W }, (_, i) =>
      isGiven[Math.floor(i / W)] ? given!.latents[i]! : 0,
    );
    return {
      condition: { type: 'float32', shape: [B, T, J], data: perToken },
      given: { type: 'float32', shape: [B, T, W], data: latents },
      is_given: { type: 'float32', shape: [B, T], data: isGiven },
      places: { type: 'int64', shape: [T], data: BigInt64Array.from({ length: T }, (_, t) => BigInt(t % N)) },
    };
  }

  /** Attention [L, H, S] summed over the sinks. */
  private sinkShare(attention: Float32Array): Float32Array {
    const { L, H } = this.options.sizes;
    const S = attention.length / (L * H);
    const sinks = Math.min(this.cache.count, this.options.window.sinks) * this.cache.chunkTokens;
    return Float32Array.from({ length: L * H }, (_, row) =>
      attention.subarray(row * S, row * S + sinks).reduce((a, b) => a + b, 0),
    );
  }

  private compile(): Promise<Program> {
    const { runtime, sizes } = this.options;
    const { L, H, D, latent, condition } = sizes;
    const T = this.cache.chunkTokens;
    const S = this.cache.chunks.length * T;
    const held = (name: string) => input(name, { L, B: 'B', S, H, D });
    const [keys, values] = [held('keys'), held('values')];
    const visible = less(0.5, input('key_visible', { S }));
    const context = (layer: number) => [
      {
        ...{ k: pick(keys, 'L', layer), v: pick(values, 'L', layer), visible },
        positions: input('key_positions', { S }, 'int64'),
      },
    ];
    const { clean, keysAndValues, patterns } = flowDecoder(
      sizes,
      {
        latents: input('latents', { B: 'B', T, latent }),
        time: input('time', { B: 'B' }),
        condition: input('condition', { B: 'B', T, condition }),
        given: input('given', { B: 'B', T, latent }),
        isGiven: input('is_given', { B: 'B', T }),
        places: input('places', { T }, 'int64'),
        positions: input('positions', { T }, 'int64'),
      },
      context,
    );
    const stacked = (part: 'k' | 'v') =>
      concat(
        keysAndValues.map((kv) => expand(kv[part], { L: 1 }) as Tensor<'L' | 'B' | 'S' | 'H' | 'D'>),
        'L',
      );
    const attention = concat(
      patterns.map((pattern) => expand(mean(pattern, ['B', 'T']), { L: 1 }) as Tensor<'L' | 'H' | 'S'>),
      'L',
    );
    return runtime.compile(
      lower(
        {
          clean: { value: clean, order: ['B', 'T', 'latent'] },
          k: { value: stacked('k'), order: ['L', 'B', 'S', 'H', 'D'] },
          v: { value: stacked('v'), order: ['L', 'B', 'S', 'H', 'D'] },
          attention: { value: attention, order: ['L', 'H', 'S'] },
        },
        { weights: 'inputs' },
      ),
    );
  }
}
