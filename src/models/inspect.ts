import { InputError } from '../error.ts';
import type { Provenance, StoredType } from '../load/checkpoint.ts';
import type { Node } from '../tensor/tensor.ts';
import { type HookPattern, hookOrder } from './hook-names.ts';
import { estimateMemory, type MemoryEstimate } from './memory.ts';
import { everyValue, type Model } from './model.ts';
import type { Stack, StackSizes } from './stack.ts';
import { hookShapes } from './trace-hooks.ts';

/** A weight, or the same weight of several layers. */
export interface WeightDescription {
  /** Checkpoint name, with `*` for the layer where several are described at once. */
  readonly name: string;
  /** Layers that have it; absent outside the blocks. */
  readonly layers?: readonly number[];
  /** Axis letters with their sizes, in stored order: G 3, R 3, D 64, M 576 for a stored [576, 576]. */
  readonly axes: readonly (readonly [axis: string, size: number])[];
  readonly shape: readonly number[];
  /** Stored types with the number of tensors of each. */
  readonly dtypes: readonly (readonly [type: StoredType, tensors: number])[];
  /** Of all layers together. */
  readonly parameters: number;
  readonly bytes: number;
}

/** A hook point, or the same place of several layers. */
export interface HookDescription {
  readonly name: HookPattern;
  readonly layers?: readonly number[];
  /** Documented order in which it leaves a program. */
  readonly axes: readonly string[];
  /** For one text of the given number of tokens. */
  readonly shape: readonly number[];
  /** Float32 bytes that a capture of one layer costs. */
  readonly bytes: number;
}

/** What is known about a model without running it. */
export interface ModelDescription {
  readonly family: string;
  /** Which stack of a checkpoint that has several, and their names; absent where there is one. */
  readonly part?: string;
  readonly parts?: readonly string[];
  /** What it reads and what a position may see, in words. */
  readonly reads: string;
  readonly sizes: StackSizes;
  readonly parameters: number;
  /** Bytes of the stored tensors. */
  readonly storedBytes: number;
  readonly weights: readonly WeightDescription[];
  readonly hooks: readonly HookDescription[];
  /** Tokens that shapes, bytes and memory are given for. */
  readonly tokens: number;
  readonly memory: MemoryEstimate;
  /** Sliding window of each layer in tokens, null for full attention. */
  readonly windows: readonly (number | null)[];
  /** Layers with a learned sink. */
  readonly learnedSinks: readonly number[];
  /** Configuration keys about rotary positions as the checkpoint has them: untrusted. */
  readonly rope: Readonly<Record<string, unknown>>;
  readonly provenance: Provenance;
}

/**
 * Describes a model without running it.
 * @param options.tokens length of the text that shapes and bytes are given for, default 1000.
 */
export function inspect(model: Model, { tokens = 1000 }: { readonly tokens?: number } = {}): ModelDescription {
  if (!Number.isInteger(tokens) || tokens < 1 || tokens > 10_000_000)
    throw new InputError(`tokens: expected a whole number from 1 to 10000000, got ${tokens}`);
  const { stack, checkpoint } = model;
  const windows = stack.blocks.map(({ window }) => window ?? null);
  const config = Object.entries(checkpoint.config);
  return {
    family: stack.family,
    ...(stack.part === undefined ? {} : { part: stack.part, parts: [...model.parts.keys()] }),
    reads: readsText(stack),
    sizes: stack.sizes,
    parameters: model.parameters,
    storedBytes: [...checkpoint.tensors.values()].reduce((total, { bytes }) => total + bytes, 0),
    weights: describeWeights(model),
    hooks: describeHooks(model, tokens),
    tokens,
    memory: estimateMemory(model, { B: 1, T: tokens }),
    windows,
    learnedSinks: stack.blocks.flatMap(({ learnedSink }, layer) => (learnedSink ? [layer] : [])),
    rope: Object.fromEntries(config.filter(([key, value]) => /rope|rotary/.test(key) && value != null)),
    provenance: checkpoint.provenance,
  };
}

/** What a stack reads, in words. */
export function readsText(stack: Stack): string {
  const sees = stack.causal === false ? 'each position sees all' : 'each position sees those before it';
  if (stack.reads === 'pixels') {
    const { height, width, patch, anySize } = stack.pixels;
    const others = anySize ? ', other sizes too' : '';
    const leading = stack.leading.length > 0 ? `, after ${stack.leading.join(', ')}` : '';
    return `pictures of ${width} × ${height} pixels${others}, in patches of ${patch}${leading}; ${sees}`;
  }
  if (stack.reads === 'features')
    return `spectrograms of ${stack.features.C} mel bins and ${stack.features.frames} frames; ${sees}`;
  const more = [
    ...(stack.memory ? ['what an encoder gave'] : []),
    ...(stack.imageToken === undefined ? [] : ['patches of pictures in place of tokens']),
  ];
  return `tokens${more.length > 0 ? `, and ${more.join(', ')}` : ''}; ${sees}`;
}

/** Weight nodes by name, in the order in which the model uses them. */
function weightNodes(stack: Stack): Map<string, Node> {
  const seen = new Set<Node>(everyValue(stack).map(({ node }) => node));
  const used = new Map<Node, number>();
  for (const node of seen)
    for (const from of node.inputs) {
      seen.add(from);
      used.set(from, Math.min(node.serial, used.get(from) ?? node.serial));
    }
  const nodes = [...seen].filter(({ operator }) => operator.name === 'weight');
  nodes.sort((a, b) => used.get(a)! - used.get(b)! || a.serial - b.serial);
  return new Map(nodes.map((node) => [node.attributes.name as string, node]));
}

/** Rows that differ only in the layer become one. */
function describeWeights(model: Model): WeightDescription[] {
  const rows = new Map<string, WeightDescription>();
  for (const [name, { axes }] of weightNodes(model.stack)) {
    const [, before, layer, after] = /^(.*?\.)(\d+)(\..*)$/.exec(name) ?? [];
    const { shape, dtype, bytes } = model.checkpoint.tensors.get(name)!;
    const sizes = [...axes].map(([axis, size]) => [axis, size.evaluate({})] as const);
    const folded = layer === undefined ? name : `${before}*${after}`;
    const key = `${folded} ${JSON.stringify(sizes)}`;
    const known = rows.get(key);
    const dtypes = new Map(known?.dtypes);
    dtypes.set(dtype, (dtypes.get(dtype) ?? 0) + 1);
    rows.set(key, {
      name: folded,
      ...(layer === undefined ? {} : { layers: [...(known?.layers ?? []), Number(layer)] }),
      axes: sizes,
      shape,
      dtypes: [...dtypes],
      parameters: (known?.parameters ?? 0) + shape.reduce((a, b) => a * b, 1),
      bytes: (known?.bytes ?? 0) + bytes,
    });
  }
  return [...rows.values()];
}

function describeHooks(model: Model, tokens: number): HookDescription[] {
  const rows = new Map<string, HookDescription>();
  for (const [name, shape] of hookShapes(model, { B: 1, T: tokens })) {
    const layer = /^blocks\.(\d+)\./.exec(name)?.[1];
    const pattern = name.replace(/^blocks\.\d+\./, 'blocks.*.') as HookPattern;
    const key = `${pattern} ${shape}`;
    const layers = layer === undefined ? {} : { layers: [...(rows.get(key)?.layers ?? []), Number(layer)] };
    rows.set(key, {
      name: pattern,
      ...layers,
      axes: hookOrder(name),
      shape,
      bytes: 4 * shape.reduce((a, b) => a * b, 1),
    });
  }
  return [...rows.values()];
}
