import { InputError } from '../error.ts';
import type { HookName, HookPattern } from '../models/hook-names.ts';
import { createHooks, type Edits } from '../models/hooks.ts';
import { matrixWeights } from '../models/matrices.ts';
import type { Model } from '../models/model.ts';
import { captureOutput, expandHooks } from '../models/run.ts';
import { type WeightPrecision, weightData } from '../models/weight-data.ts';
import { weightsOf } from '../models/weights.ts';
import type { HostTensor } from '../runtime/backend.ts';
import type { Program } from '../runtime/runtime.ts';
import { lower, type Output } from '../tensor/index.ts';
import type { KeyValueCache, Span } from './key-value-cache.ts';
import { decodeProgram } from './program.ts';

export interface EngineOptions {
  /** How matrices are held. Default `stored`. */
  readonly weights?: WeightPrecision | undefined;
  /** What matrices in blocks are multiplied with: rounded to 8 bits, or float32 (several times slower). Default `int8`. */
  readonly activations?: 'int8' | 'float32' | undefined;
  /** Hook points that are changed in every step. */
  readonly edit?: Edits | undefined;
  /** Hook points that are read in every step. Default none. */
  readonly capture?: readonly HookPattern[] | undefined;
}

export interface StepOptions {
  /** Weight of each of the T queries in what entries receive. Default 1. */
  readonly observed?: readonly number[];
  /** May the policy evict after this step? Default true. */
  readonly decide?: boolean;
  /** Is it the last step of a prompt? Default false. */
  readonly promptEnd?: boolean;
}

export interface StepResult {
  /** [B, N, V], for the rows asked for. */
  readonly logits: HostTensor;
  /** log Σ exp logits, [B, N] */
  readonly normaliser: Float32Array;
  readonly captured: ReadonlyMap<HookName, HostTensor>;
}

/**
 * Runs steps of decoding on a model. One program serves prompts and single tokens, whatever the number of entries: its weights are in
 * memory once. Caches of another structure have another program.
 */
export class DecodingEngine implements AsyncDisposable {
  private readonly programs = new Map<string, Promise<Program>>();
  private disposed = false;
  readonly captures: readonly HookName[];

  constructor(
    readonly model: Model,
    private readonly options: EngineOptions = {},
  ) {
    this.captures = expandHooks(model, options.capture ?? []);
    expandHooks(model, Object.keys(options.edit ?? {}));
  }

  /** Sessions compiled so far: does not grow while a stream runs. */
  get programCount(): number {
    return this.programs.size;
  }

  /** Reads T tokens of some texts of a cache: ids by text, and which of the T get logits. */
  async step(
    cache: KeyValueCache,
    span: Span,
    ids: readonly number[],
    rows: readonly number[],
    { observed, decide = true, promptEnd = false }: StepOptions = {},
  ): Promise<StepResult> {
    const program = await this.programFor(cache);
    const { count, T } = span;
    const feeds: Record<string, HostTensor> = {
      ...cache.feeds(span),
      ids: { type: 'int64', shape: [count, T], data: BigInt64Array.from(ids, BigInt) },
      rows: { type: 'int64', shape: [rows.length], data: BigInt64Array.from(rows, BigInt) },
      observed: { type: 'float32', shape: [T], data: Float32Array.from({ length: T }, (_, t) => observed?.[t] ?? 1) },
    };
    const fed: Record<string, HostTensor> = {};
    for (const { name } of program.graph.inputs) fed[name] = feeds[name]!;
    const outputs = await program.run(fed);
    cache.commit(span, outputs, { decide, promptEnd });
    const { logits, normaliser } = outputs;
    return {
      logits: logits!,
      normaliser: normaliser!.data as Float32Array,
      captured: new Map(this.captures.map((name) => [name, outputs[name]!])),
    };
  }

  private programFor(cache: KeyValueCache): Promise<Program> {
    if (this.disposed) throw new InputError('this stream has been disposed of');
    const { layout, expiring, policy } = cache;
    const structure = [
      layout.layers.map((banks) => banks.map(({ heads, table }) => [heads?.join(), table])),
      layout.tables.map(({ pinned, heads }) => [pinned > 0, heads]),
      expiring,
      policy.weighs !== undefined,
    ];
    const key = JSON.stringify(structure);
    let program = this.programs.get(key);
    if (!program) {
      program = this.compile(cache);
      this.programs.set(key, program);
      program.catch(() => this.programs.delete(key));
    }
    return program;
  }

  private async compile({ layout, expiring, policy }: KeyValueCache): Promise<Program> {
    const { decoder, runtime } = this.model;
    const captured: Record<string, Output> = {};
    const hooks = createHooks({
      edit: this.options.edit ?? {},
      reads: (name) => this.captures.includes(name),
      read: (name, value) => {
        captured[name] = captureOutput(name, value);
      },
    });
    const outputs = decodeProgram(decoder, { layout, expires: expiring, weights: policy.weighs !== undefined, hooks });
    const roots = Object.values(outputs).map(({ value }) => value as never);
    const { weights = 'stored', activations } = this.options;
    const names = weightsOf(roots).keys();
    // The runtime copies them: kept here they would be in memory twice.
    const { data, storage } = await weightData(this.model, names, matrixWeights(roots), weights, activations);
    return runtime.compile(lower({ ...outputs, ...captured }, { weights: storage }), { weightData: data });
  }

  /** Frees the sessions and their weights. */
  async dispose(): Promise<void> {
    this.disposed = true;
    for (const program of await Promise.allSettled(this.programs.values()))
      if (program.status === 'fulfilled') await program.value.release();
    this.programs.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}
