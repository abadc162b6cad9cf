import type { Places } from '../attention/places.ts';
import { shares } from '../attention/shares.ts';
import type { Stream } from '../attention/steps.ts';
import { InputError } from '../error.ts';
import type { HostTensor } from '../runtime/backend.ts';
import {
  add,
  type Graph,
  input,
  iota,
  lower,
  type Output,
  rename,
  select,
  sizes,
  type Tensor,
  type Within,
} from '../tensor/index.ts';
import type { Block } from './block.ts';
import { type Accumulated, accumulate } from './chunk-sums.ts';
import { weightFeeds } from './compile.ts';
import { alongKeys, embedded, type Fed, type Form, gridOfForm, memoryOf, streamPositions } from './feed.ts';
import { type BlockHook, type BlockHooks, type HookName, hookOrders } from './hook-names.ts';
import { createHooks, type Edits } from './hooks.ts';
import type { Model } from './model.ts';
import { residualWidth } from './stack.ts';

/** A value of one block reduced inside the graph. Over query chunks, results with axis T are joined, all others are added up. */
export interface Reduction<N extends BlockHook = BlockHook> {
  readonly hook: N;
  /** Patterns whose rows sum to anything come as |w| / Σ|w| (2410.10781). */
  reduce(value: Tensor<BlockHooks[N]>, queries: QueryChunk): Within<string>;
  /** Axes of the result in the order in which it is handed over. */
  readonly order: readonly string[];
}

/** Which queries a reduction sees. */
export interface QueryChunk {
  /** Index of each query in the text. */
  readonly index: Tensor<'T'>;
  /** 1 for real queries and 0 for padding; absent without padding. */
  readonly real?: Tensor<'B' | 'T'>;
}

/** Typed as any reduction: a union over hook points is of no use to the engine. */
export type AnyReduction = { [N in BlockHook]: Reduction<N> }[BlockHook];

/** Reductions by name; one name means one reduction throughout a run. */
export type Reductions = Readonly<Record<string, AnyReduction>>;

export interface LayerwiseOptions {
  /** The same for every batch, or by the batch's index. */
  readonly reduce: Reductions | ((batch: number) => Reductions);
  readonly edit?: Edits;
  /** Queries of one run for texts longer than this. Default 256. */
  readonly chunk?: number;
  readonly signal?: AbortSignal | undefined;
}

/** What one layer did with one batch. Arrays are valid until the next step of the iteration. */
export interface LayerOutput {
  readonly layer: number;
  readonly batch: number;
  readonly reduced: Readonly<Record<string, Accumulated>>;
  /** The residual stream after the block, [B, T, M]; M of all streams where there are several. */
  readonly residual: Float32Array;
  /** Keys after RoPE and values, [B, S, G, D] with the heads of this layer; values may have a width of their own. */
  readonly k: Float32Array;
  readonly v: Float32Array;
}

/** Lowered programs by model, where nothing is edited: the same reductions give the same graph. */
const lowered = new WeakMap<object, Map<string, Graph>>();
const numbers = new WeakMap<object, number>();
let count = 0;

/** A number of its own for each reduction, whatever name it goes by. */
function numberOf(reduction: object): number {
  const known = numbers.get(reduction) ?? count++;
  numbers.set(reduction, known);
  return known;
}

const f32 = (shape: readonly number[], data: Float32Array): HostTensor => ({ type: 'float32', shape, data });
const i64 = (value: number): HostTensor => ({ type: 'int64', shape: [], data: BigInt64Array.of(BigInt(value)) });

/**
 * Runs texts through the model one layer at a time, all texts through a layer before the next: weights are read once, a layer ahead, and
 * dropped, patterns live for one chunk of queries, so memory is bounded by two layers and the residual streams, whatever the model's depth.
 * Programs of layers of equal structure are compiled once, since weights are fed.
 */
export class Layerwise {
  private readonly graphs: Map<string, Graph>;

  constructor(
    private readonly model: Model,
    private readonly options: LayerwiseOptions,
  ) {
    this.graphs = (options.edit ? undefined : lowered.get(model.stack)) ?? new Map();
    if (!options.edit) lowered.set(model.stack, this.graphs);
  }

  async *run(batches: readonly Fed[]): AsyncGenerator<LayerOutput> {
    const { model } = this;
    for (const { B, T } of batches)
      if (B > 1 && T > this.chunk)
        throw new InputError(
          `layerwise: texts of more than ${this.chunk} tokens go one by one, got a batch of ${B} × ${T}`,
        );
    const streams: Float32Array[] = [];
    const givens = batches.map(() => new Map<number, Float32Array>());
    try {
      for (const batch of batches) streams.push(await this.embed(batch));
      model.weights.release();
      let weights = this.fetchWeights(0, batches);
      for (let layer = 0; layer < model.stack.sizes.L; layer++) {
        this.options.signal?.throwIfAborted();
        const next = this.fetchWeights(layer + 1, batches);
        for (const [i, batch] of batches.entries()) {
          const output = await this.block(layer, i, batch, streams[i]!, givens[i]!);
          streams[i] = output.residual;
          yield output;
        }
        model.weights.release(weights);
        weights = next;
      }
    } finally {
      // Stopped half way, what was read ahead would stay.
      model.weights.release();
    }
  }

  /** Starts reading what a layer needs, so that files are read while the layer before it runs. Returns the names. */
  private fetchWeights(layer: number, batches: readonly Fed[]): Set<string> {
    const names = new Set<string>();
    if (layer < this.model.stack.sizes.L)
      for (const [i, batch] of batches.entries())
        for (const graph of Object.values(this.graphsOf(layer, i, batch)))
          for (const { weight } of graph.weights) names.add(weight);
    // A failure is reported when the weight is asked for again.
    for (const name of names) this.model.weights.get(name).catch(() => {});
    return names;
  }

  private reductions(batch: number): Reductions {
    const { reduce } = this.options;
    return typeof reduce === 'function' ? reduce(batch) : reduce;
  }

  private get chunk(): number {
    return this.options.chunk ?? 256;
  }

  private async embed(batch: Fed): Promise<Float32Array> {
    const { stack } = this.model;
    const graph = this.graph(`embed ${JSON.stringify(batch.form)}`, () => {
      const hooks = createHooks({ edit: this.options.edit ?? {} });
      const { x } = embedded(stack, batch.form);
      return { x: { value: hooks.outer('embed.hook_out', x), order: ['B', 'T', 'M'] } };
    });
    const { x } = await this.execute(graph, batch.feeds);
    if (x!.data.length !== batch.B * batch.T * residualWidth(stack.sizes))
      throw new InputError('layerwise: the embedding has an unexpected size');
    return x!.data as Float32Array;
  }

  /** @param given what attention of earlier blocks was given, as far as later ones look back to it */
  private async block(
    layer: number,
    index: number,
    batch: Fed,
    x: Float32Array,
    given: Map<number, Float32Array>,
  ): Promise<LayerOutput> {
    const { sizes, blocks, causal = true } = this.model.stack;
    const { B, T, S = 0, form } = batch;
    const M = residualWidth(sizes);
    const block = blocks[layer]!;
    const { padded = false } = form;
    const { real, positions, memory, memory_real, ids } = batch.feeds;
    const graphs = this.graphsOf(layer, index, batch);
    const earlier = block.looksBackTo === undefined ? undefined : given.get(block.looksBackTo);
    const made = await this.execute(graphs.keys, {
      x: f32([B, T, M], x),
      ...(padded ? { positions: positions!, key_real: real! } : {}),
      ...(earlier ? { earlier: f32([B, T, sizes.M], earlier) } : {}),
    });
    const { k, v } = made;
    if (made.given) given.set(layer, made.given.data as Float32Array);
    const more = Object.entries(made).filter(([name]) => name.startsWith('more.'));
    const reduce = this.reductions(index);
    const next = new Float32Array(x.length);
    const sums: Record<string, Accumulated> = {};
    // A state is read in one go: it has no pattern whose size would have to be bounded.
    const step = B > 1 || block.rows === 'none' ? T : this.chunk;
    for (let start = 0; start < T; start += step) {
      this.options.signal?.throwIfAborted();
      const end = Math.min(start + step, T);
      // Only keys that some query of the chunk may see; a batch of several texts comes in one chunk.
      // What stands beside keys (compressed entries, keys of an indexer) is of the whole text.
      const near = B > 1 || more.length > 0 ? undefined : block.window;
      const first = near === undefined ? 0 : Math.max(0, start + 1 - near);
      const last = B > 1 || (causal ? false : near === undefined) ? T : causal ? end : Math.min(T, end - 1 + near!);
      const part = ({ shape, data }: HostTensor) => {
        const [heads, width] = shape.slice(2) as [number, number];
        const each = heads * width;
        const values = (data as Float32Array).subarray(first * each, B > 1 ? undefined : last * each);
        return f32([B, last - first, heads, width], values);
      };
      const cut = (all: HostTensor, from: number, to: number): HostTensor =>
        B > 1 ? all : { ...all, shape: [1, to - from], data: all.data.slice(from, to) };
      const rows = (all: Float32Array, width: number) =>
        f32([B, end - start, width], all.subarray(start * width, B > 1 ? undefined : end * width));
      const result = await this.execute(graphs.queries, {
        x: rows(x, M),
        k: part(k!),
        v: part(v!),
        ...Object.fromEntries(more.map(([name, value]) => [name, part(value)])),
        ...(earlier ? { earlier: rows(earlier, sizes.M) } : {}),
        ...(ids ? { ids: cut(ids, start, end) } : {}),
        first_query: i64(start),
        first_key: i64(first),
        ...(padded
          ? {
              positions: cut(positions!, start, end),
              key_positions: cut(positions!, first, last),
              query_real: cut(real!, start, end),
              key_real: cut(real!, first, last),
            }
          : {}),
        ...(memory ? { memory } : {}),
        ...(memory_real ? { memory_real } : {}),
      });
      next.set(result.next!.data as Float32Array, start * M);
      for (const [name, { hook, order }] of Object.entries(reduce)) {
        const value = result[`reduce.${name}`];
        const keys = hook.startsWith('cross_attn.') ? { whole: S, from: 0 } : { whole: T, from: first };
        if (value)
          sums[name] = accumulate(sums[name], value, order, { B, T, S: keys.whole }, { T: start, S: keys.from });
      }
    }
    return {
      layer,
      batch: index,
      reduced: sums,
      residual: next,
      k: k!.data as Float32Array,
      v: v!.data as Float32Array,
    };
  }

  /** The two programs of a layer: keys and values of whole texts, then chunks of queries. */
  private graphsOf(layer: number, index: number, batch: Fed): { readonly keys: Graph; readonly queries: Graph } {
    const block = this.model.stack.blocks[layer]!;
    const { types: _, given: __, ...form } = batch.form;
    const told = JSON.stringify(form);
    const reduce = this.reductions(index);
    return {
      keys: this.graph(`keys ${layer} ${told}`, () => this.keys(block, layer, form)),
      queries: this.graph(
        `queries ${layer} ${told} ${Object.entries(reduce).map(([name, reduction]) => `${name} ${numberOf(reduction)}`)}`,
        () => this.queries(block, layer, form, reduce),
      ),
    };
  }

  /** x [B, T, M] → keys after RoPE and values, [B, S, G, D], and whatever else lies along the keys; for later blocks what attention was given. */
  private keys(block: Block, layer: number, form: Form): Record<string, Output> {
    const hook = createHooks({ edit: this.options.edit ?? {} }).block(layer);
    const { stack } = this.model;
    const x = input('x', { B: 'B', T: 'T', M: residualWidth(stack.sizes) });
    const positions = streamPositions(form.padded ?? false);
    const places: Places = {
      ...{ queries: iota('T', 'T'), keys: iota('S', 'T') },
      ...{ queryPositions: positions, keyPositions: alongKeys(positions) },
      ...(form.padded ? { keyIsReal: input('key_real', { B: 'B', S: 'T' }, 'bool') } : {}),
      ...gridOfForm(stack, form),
    };
    const earlier = this.earlier(block);
    const normed = block.before(hook('hook_in', x), hook);
    const along = (x: Stream) => rename(x, 'T', 'S');
    const { k, v, more } = block.attention.keysAndValues(along(normed), places, hook, earlier && along(earlier));
    const order = ['B', 'S', 'G', 'D'];
    const others = Object.entries(more ?? {}).map(([name, value]) => [`more.${name}`, { value, order }] as const);
    const lookedBackTo = stack.blocks.some(({ looksBackTo }) => looksBackTo === layer);
    return {
      ...{ k: { value: k, order }, v: { value: v, order }, ...Object.fromEntries(others) },
      ...(lookedBackTo ? { given: { value: normed, order: ['B', 'T', 'M'] } } : {}),
    };
  }

  private earlier(block: Block): Stream | undefined {
    if (block.looksBackTo === undefined) return undefined;
    return input('earlier', { B: 'B', T: 'T', M: this.model.stack.sizes.M });
  }

  /** A chunk of queries through attention and the rest of the block, with the reductions. */
  private queries(block: Block, layer: number, form: Form, reduce: Reductions): Record<string, Output> {
    const { stack } = this.model;
    const { padded = false } = form;
    const whole = block.rows === 'none';
    const x = input('x', { B: 'B', T: 'T', M: residualWidth(stack.sizes) });
    const made = this.keys(block, layer, form);
    // A layer may have key/value heads of its own number, and values of another width than keys.
    const held = (name: string) => {
      const axes = sizes(made[name]!.value);
      return input(name, { B: 'B', S: whole ? 'T' : 'S', G: axes.get('G')!, D: axes.get('D')! });
    };
    const others = Object.keys(made).filter((name) => name.startsWith('more.'));
    const more = Object.fromEntries(others.map((name) => [name.slice('more.'.length), held(name)]));
    const kv = { k: held('k'), v: held('v'), ...(others.length > 0 ? { more } : {}) };
    const queries = whole ? iota('T', 'T') : add(iota('T', 'T'), input('first_query', {}, 'int64'));
    const keys = whole ? iota('S', 'T') : add(iota('S', 'S'), input('first_key', {}, 'int64'));
    const places: Places = {
      queries,
      keys,
      queryPositions: padded ? input('positions', { B: 'B', T: 'T' }, 'int64') : queries,
      keyPositions: padded ? input('key_positions', { B: 'B', S: whole ? 'T' : 'S' }, 'int64') : keys,
      ...(padded ? { keyIsReal: input('key_real', { B: 'B', S: whole ? 'T' : 'S' }, 'bool') } : {}),
      ...gridOfForm(stack, form),
    };
    const chunk: QueryChunk = padded
      ? { index: queries, real: maskToNumber(input('query_real', { B: 'B', T: 'T' }, 'bool')) }
      : { index: queries };
    const outputs: Record<string, Output> = {};
    const wanted = Object.entries(reduce);
    const hooks = createHooks({
      edit: this.options.edit ?? {},
      reads: (name) => wanted.some(([, { hook }]) => name === `blocks.${layer}.${hook}`),
      read: (name: HookName, seen) => {
        const value = name.endsWith('.attn.hook_pattern') ? shares(seen as never, block.rows ?? 'one') : seen;
        for (const [key, reduction] of wanted)
          if (name === `blocks.${layer}.${reduction.hook}`)
            outputs[`reduce.${key}`] = {
              value: (reduction as unknown as Reduction).reduce(value as never, chunk),
              order: reduction.order,
            };
      },
    });
    const hook = hooks.block(layer);
    const stream = hook('hook_in', x);
    const attended = block.attention.attend(block.before(stream, hook), kv, places, hook, this.earlier(block));
    const ids = block.readsIds ? input('ids', { B: 'B', T: 'T' }, 'int64') : undefined;
    outputs.next = { value: block.after(stream, attended, hook, memoryOf(form), ids), order: hookOrders.hook_out };
    return outputs;
  }

  private graph(key: string, outputs: () => Record<string, Output>): Graph {
    let graph = this.graphs.get(key);
    if (!graph) {
      graph = lower(outputs(), { weights: 'inputs' });
      this.graphs.set(key, graph);
    }
    return graph;
  }

  private async execute(
    graph: Graph,
    feeds: Readonly<Record<string, HostTensor>>,
  ): Promise<Record<string, HostTensor>> {
    const program = await this.model.runtime.compile(graph);
    const all: Record<string, HostTensor> = {};
    // An input that nothing of this program uses was not made part of it.
    for (const { name } of graph.inputs) all[name] = feeds[name]!;
    return program.run(Object.assign(all, await weightFeeds(this.model, graph)));
  }
}

const maskToNumber = (mask: Tensor<'B' | 'T'>): Tensor<'B' | 'T'> => select(mask, 1, 0);
