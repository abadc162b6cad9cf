import type { Rotary } from '../../attention/positions/rope.ts';
import { InputError } from '../../error.ts';
import { type ChunkWindow, checkWindow, slotPositions } from '../../models/flow/chunks.ts';
import { type FlowSizes, flowRotary } from '../../models/flow/flow-decoder.ts';
import type { HostTensor } from '../../runtime/backend.ts';
import { rotateKey } from '../rotate-key.ts';

/** `mixed`: keys of sinks as they were rotated when they came, those of the window not rotated (as published). `unrotated`: all so. */
export type ChunkStorage = 'mixed' | 'unrotated';

/**
 * Keys and values of the sink chunks and of the rolling window, [L, B, S, H, D] with S = (sinks + window) · C · tokens. Memory is the same
 * from the first chunk on; a chunk that leaves the window is written over. Positions are slots, not ages.
 */
export class ChunkCache {
  readonly keys: Float32Array<ArrayBuffer>;
  readonly values: Float32Array<ArrayBuffer>;
  /** Which chunk each slot of memory holds, sinks first; the window is a ring. */
  readonly chunks: (number | undefined)[];
  /** Chunks taken in so far. */
  count = 0;
  private readonly rotary: Rotary;

  /** Throws an InputError for a window that is none, or one in which nothing is ever seen. */
  constructor(
    readonly sizes: FlowSizes,
    readonly window: ChunkWindow,
    readonly B: number,
    readonly storage: ChunkStorage = 'mixed',
  ) {
    checkWindow(window);
    const slots = window.sinks + window.window;
    if (slots === 0) throw new InputError('chunk cache: expected sinks or a window of at least one chunk');
    const { L, H, D } = sizes;
    const length = L * B * slots * this.chunkTokens * H * D;
    [this.keys, this.values] = [new Float32Array(length), new Float32Array(length)];
    this.chunks = new Array<number | undefined>(slots).fill(undefined);
    this.rotary = flowRotary(D);
  }

  /** Tokens of a chunk. */
  get chunkTokens(): number {
    return this.window.frames * this.sizes.tokens;
  }

  get bytes(): number {
    return this.keys.byteLength + this.values.byteLength;
  }

  /** Takes in the keys (not rotated) and values of the next chunk, [L, B, T, H, D], made from its clean latents. */
  push(k: Float32Array, v: Float32Array): void {
    const { L, H, D, tokens } = this.sizes;
    const { sinks, window } = this.window;
    const chunk = this.count++;
    if (chunk >= sinks && window === 0) return;
    const slot = chunk < sinks ? chunk : sinks + ((chunk - sinks) % window);
    this.chunks[slot] = chunk;
    const [T, S] = [this.chunkTokens, this.chunks.length * this.chunkTokens];
    const { own } = slotPositions(chunk, this.window);
    for (let row = 0; row < L * this.B; row++) {
      const [from, to] = [row * T * H * D, (row * S + slot * T) * H * D];
      this.keys.set(k.subarray(from, from + T * H * D), to);
      this.values.set(v.subarray(from, from + T * H * D), to);
      if (chunk < sinks && this.storage === 'mixed')
        for (let t = 0; t < T; t++)
          for (let h = 0; h < H; h++) {
            const at = (t * H + h) * D;
            rotateKey(k, from + at, this.keys, to + at, D, own[Math.floor(t / tokens)]!, this.rotary);
          }
    }
  }

  /**
   * What the program of the next chunk is fed: `keys`, `values` [L, B, S, H, D], `key_positions` [S] (0 for keys that are rotated already),
   * `key_visible` [S], `positions` [T].
   */
  feeds(): Record<string, HostTensor> {
    const { L, H, D, tokens } = this.sizes;
    const { frames, sinks } = this.window;
    const T = this.chunkTokens;
    const { own } = slotPositions(this.count, this.window);
    const places = this.places();
    const shape = [L, this.B, this.chunks.length * T, H, D];
    const perToken = places.flatMap((place, slot) =>
      Array.from({ length: T }, (_, t) => {
        const rotated = slot < sinks && this.storage === 'mixed';
        return place === undefined || rotated ? 0 : place * frames + Math.floor(t / tokens);
      }),
    );
    const visible = places.flatMap((place) => new Array<number>(T).fill(place === undefined ? 0 : 1));
    return {
      keys: { type: 'float32', shape, data: this.keys },
      values: { type: 'float32', shape, data: this.values },
      key_positions: { type: 'int64', shape: [perToken.length], data: BigInt64Array.from(perToken, BigInt) },
      key_visible: { type: 'float32', shape: [visible.length], data: Float32Array.from(visible) },
      positions: {
        ...{ type: 'int64', shape: [T] },
        data: BigInt64Array.from({ length: T }, (_, t) => BigInt(own[Math.floor(t / tokens)]!)),
      },
    };
  }

  /** For each slot of memory, which of the chunks that are seen it holds, by age; undefined where it is empty. */
  private places(): (number | undefined)[] {
    const ordered = this.chunks.filter((chunk) => chunk !== undefined).sort((a, b) => a - b);
    return this.chunks.map((chunk) => (chunk === undefined ? undefined : ordered.indexOf(chunk)));
  }
}
