import { InputError } from '../error.ts';
import type { HookName } from '../models/hook-names.ts';
import type { Model } from '../models/model.ts';
import type { HostTensor } from '../runtime/backend.ts';
import { DecodingEngine, type EngineOptions, type StepResult } from './engine.ts';
import { KeyValueCache } from './key-value-cache.ts';
import type { CachePolicy } from './policy.ts';
import type { Table } from './table.ts';

export interface StreamOptions extends EngineOptions {
  /** What the cache keeps. */
  readonly policy: CachePolicy;
  /** Texts that go on side by side, each as if it were alone. Default 1. */
  readonly batch?: number;
  /** Tokens of a prompt that run at once, at least 1. Default 128. */
  readonly chunk?: number;
  /** Runs on the programs of another stream, whose weights are in memory once; it is not disposed of with this one. */
  readonly engine?: DecodingEngine;
}

export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called after each step with the tokens read so far. */
  readonly progress?: ((read: number, total: number) => void) | undefined;
}

/**
 * Texts that a model reads and continues without end, over a key/value cache that a policy keeps small.
 *
 * One operation at a time: the next may start when the promise of the last is settled. Throws an InputError for token ids outside the
 * vocabulary, and where the policy has no room for what it keeps.
 */
export class Stream implements AsyncDisposable {
  readonly engine: DecodingEngine;
  cache: KeyValueCache;
  /** Logits of the token to come, [V], by text; undefined where nothing has been read. */
  readonly logits: (Float32Array | undefined)[];
  /** Log of the sum of the exponentials of those logits, by text. */
  readonly normalisers: number[];
  /** What the hook points named in `capture` had in the last step. */
  captured: ReadonlyMap<HookName, HostTensor> = new Map();
  private busy = false;
  private readonly chunk: number;

  constructor(
    readonly model: Model,
    private readonly options: StreamOptions,
  ) {
    const { policy, batch = 1, chunk = 128 } = options;
    for (const [name, value] of Object.entries({ batch, chunk }))
      if (!Number.isSafeInteger(value) || value < 1)
        throw new InputError(`stream: expected ${name} to be a whole number from 1, got ${value}`);
    this.chunk = chunk;
    this.engine = options.engine ?? new DecodingEngine(model, options);
    this.cache = new KeyValueCache(model.decoder, policy, batch);
    this.logits = new Array<Float32Array | undefined>(batch).fill(undefined);
    this.normalisers = new Array<number>(batch).fill(Number.NaN);
  }

  get policy(): CachePolicy {
    return this.options.policy;
  }

  /** Tokens read so far, by text. */
  get lengths(): readonly number[] {
    return this.cache.lengths;
  }

  /** Reads a prompt into one text. Afterwards `logits` holds what comes next. */
  async read(ids: readonly number[], options: ReadOptions = {}, row = 0): Promise<void> {
    await this.alone(async () => {
      await this.readChunks(ids, row, this.chunk, options, () => {});
    });
  }

  /** Reads one token into every text; where it is undefined, that text rests. */
  async next(ids: readonly (number | undefined)[]): Promise<void> {
    if (ids.length !== this.cache.B)
      throw new InputError(`stream: expected ${this.cache.B} tokens, one for each text, got ${ids.length}`);
    this.check(ids.filter((id) => id !== undefined));
    await this.alone(async () => {
      for (let row = 0; row < ids.length; row++) {
        const rest = ids.slice(row);
        const end = rest.indexOf(undefined);
        const part = rest.slice(0, end < 0 ? rest.length : end) as number[];
        if (part.length === 0) continue;
        const span = { row, count: part.length, T: 1 };
        const result = await this.engine.step(this.cache, span, part, [0], this.observe(1, 1, true));
        part.forEach((_, ran) => {
          this.keep(result, row + ran, ran, 0);
        });
        row += part.length;
      }
    });
  }

  /**
   * Reads a text and gives −log p of each of its tokens, in nats, given all before it that the policy kept. The first is NaN where nothing
   * was read before.
   */
  async score(ids: readonly number[], options: ReadOptions = {}, row = 0): Promise<Float64Array> {
    const losses = new Float64Array(ids.length);
    await this.alone(async () => {
      const loss = (at: number) => this.normalisers[row]! - (this.logits[row]?.[ids[at]!] ?? Number.NaN);
      if (ids.length > 0) losses[0] = loss(0);
      const V = this.model.decoder.sizes.V;
      // Logits of every token leave the program: 64 of a vocabulary of 50,000 take 13 MB.
      await this.readChunks(
        ids,
        row,
        Math.min(64, this.chunk),
        options,
        (start, T, { logits, normaliser }) => {
          const data = logits.data as Float32Array;
          for (let t = 0; t < T; t++)
            if (start + t + 1 < ids.length) losses[start + t + 1] = normaliser[t]! - data[t * V + ids[start + t + 1]!]!;
        },
        true,
      );
    });
    return losses;
  }

  /** Indices in the text that the first layer's first head still keeps, oldest first, pinned ones included. */
  kept(row = 0, table = 0, head = 0): number[] {
    const { layout, lists } = this.cache.tables[table]!;
    const pinned = Math.min(layout.pinned, this.cache.lengths[row]!);
    return [...Array.from({ length: pinned }, (_, i) => i), ...lists[row]![head]!.list.map(({ token }) => token)];
  }

  /** Forgets everything that was read. */
  reset(): void {
    if (this.busy) throw new InputError('stream: it cannot be reset while it runs');
    this.cache = new KeyValueCache(this.model.decoder, this.policy, this.cache.B);
    this.logits.fill(undefined);
    this.normalisers.fill(Number.NaN);
  }

  async dispose(): Promise<void> {
    if (!this.options.engine) await this.engine.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  private async readChunks(
    ids: readonly number[],
    row: number,
    chunk: number,
    { signal, progress }: ReadOptions,
    each: (start: number, T: number, result: StepResult) => void,
    everyRow = false,
  ): Promise<void> {
    this.check(ids);
    const { cache, policy } = this;
    const whole = policy.keep !== undefined && policy.prompt === 'whole';
    const least = ({ layout, most }: Table) =>
      policy.grows === undefined ? layout.entries : Math.max(layout.entries, most);
    if (whole) cache.resize((table) => Math.max(least(table), table.longest(row) + ids.length));
    if (typeof policy.weighs === 'object') cache.forgetSums(row);
    for (let start = 0; start < ids.length; ) {
      signal?.throwIfAborted();
      const wanted = Math.min(chunk, ids.length - start);
      const T = whole ? wanted : cache.stepLimit(row, wanted);
      const part = ids.slice(start, start + T);
      const rows = everyRow ? part.map((_, t) => t) : [T - 1];
      const left = ids.length - start;
      const result = await this.engine.step(cache, { row, count: 1, T }, part, rows, {
        ...this.observe(T, left, false),
        decide: !whole || left === T,
        promptEnd: left === T,
      });
      each(start, T, result);
      this.keep(result, row, 0, rows.length - 1);
      start += T;
      progress?.(start, ids.length);
    }
    if (whole) cache.resize(least);
  }

  /** Weights of the queries of a step in what entries receive; `left` are the tokens of the prompt from the step's first on. */
  private observe(T: number, left: number, generated: boolean): { readonly observed: readonly number[] } {
    const { weighs } = this.policy;
    const observed = Array.from({ length: T }, (_, t) => {
      if (weighs === 'last') return t === T - 1 ? 1 : 0;
      if (typeof weighs === 'object') return !generated && left - t <= weighs.ofPrompt ? 1 : 0;
      return 1;
    });
    return { observed };
  }

  private keep({ logits, normaliser, captured }: StepResult, row: number, ranRow: number, n: number): void {
    const [, N, V] = logits.shape as [number, number, number];
    const at = ranRow * N + n;
    this.logits[row] = (logits.data as Float32Array).slice(at * V, (at + 1) * V);
    this.normalisers[row] = normaliser[at]!;
    this.captured = captured;
  }

  private check(ids: readonly number[]): void {
    const { V } = this.model.decoder.sizes;
    const wrong = ids.findIndex((id) => !Number.isInteger(id) || id < 0 || id >= V);
    if (wrong >= 0)
      throw new InputError(`stream: expected token ids from 0 to ${V - 1}, got ${ids[wrong]} at ${wrong}`);
  }

  private async alone<T>(work: () => Promise<T>): Promise<T> {
    if (this.busy) throw new InputError('stream: one operation at a time; wait for the last one');
    this.busy = true;
    try {
      return await work();
    } finally {
      this.busy = false;
    }
  }
}

/** A stream on a loaded model: `await using stream = createStream(model, { policy: streamingLlm() })`. */
export function createStream(model: Model, options: StreamOptions): Stream {
  return new Stream(model, options);
}
