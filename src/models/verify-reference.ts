import type { SafetensorsFile } from '../load/safetensors-file.ts';
import type { Block } from './block.ts';
import type { HookName } from './hook-names.ts';
import type { Model } from './model.ts';
import { readsTokens } from './stack.ts';

/** What a tensor of a reference file holds, in the order in which a block computes it. */
export const referenceKinds = [
  'embeddings',
  'attn_in',
  'attentions',
  'sinks',
  'rows + sink',
  'attn_out',
  'cross_attentions',
  'hidden_states',
  'last_hidden_state',
  'outputs',
  'logits',
] as const;
export type ReferenceKind = (typeof referenceKinds)[number];

/** One tensor of a reference file and where the model has the same value. */
export interface ReferenceTensor {
  /** Name in the file: `output.attentions.3`. */
  readonly tensor: string;
  readonly kind: ReferenceKind;
  /** The block that makes the value; undefined outside the blocks. */
  readonly layer: number | undefined;
  /** Where it is read; undefined for logits and other outputs. */
  readonly hook: HookName | undefined;
  /** Name of the output, of kind `outputs`. */
  readonly output?: string;
}

/** What a reference file gives for one input. */
export interface ReferencePlan {
  /** In model order. */
  readonly tensors: readonly ReferenceTensor[];
  /** Tensors that should be there and are not. */
  readonly missing: readonly string[];
  /** Tensors of a known kind that the model has no place for: a layer too many, sinks it does not have. */
  readonly misplaced: readonly string[];
}

const stored = ['attn_in', 'attentions', 'sinks', 'attn_out', 'cross_attentions', 'hidden_states'] as const;
type Stored = (typeof stored)[number];

const places: Record<Exclude<Stored, 'hidden_states'>, string> = {
  attn_in: 'ln1.hook_out',
  attentions: 'attn.hook_pattern',
  sinks: 'attn.hook_sink',
  attn_out: 'attn.hook_out',
  cross_attentions: 'cross_attn.hook_pattern',
};

/** How a reference spells what a stack gives: with the part's name before it, where there are several. */
function spelling({ stack }: Model): { readonly before: string; readonly cross: boolean } {
  const { part } = stack;
  if (part === 'encoder' || part === 'decoder') return { before: `${part}_`, cross: part === 'decoder' };
  return { before: part === 'text' || part === 'vision' ? `${part}_model_output.` : '', cross: false };
}

/** Kind and index of a tensor, without its prefix, where it is one of this stack. */
function parse(name: string, model: Model): { readonly kind: Stored; readonly index: number } | undefined {
  const { before, cross } = spelling(model);
  const crossed = /^cross_attentions\.(\d{1,6})$/.exec(name);
  if (crossed) return cross ? { kind: 'cross_attentions', index: Number(crossed[1]) } : undefined;
  if (!name.startsWith(before)) return undefined;
  const [, kind, index] = /^([a-z_]+)\.(\d{1,6})$/.exec(name.slice(before.length)) ?? [];
  return index !== undefined && stored.includes(kind as Stored)
    ? { kind: kind as Stored, index: Number(index) }
    : undefined;
}

/** Families whose reference hands the residual to its attention module, which gives back the sum. */
const returnsResidual = new Set(['bloom']);

/**
 * Where the model has `{kind}.{index}`. Hidden state 0 is the embedding output, entry I the output of block I − 1, and the last one is
 * after the final norm. Undefined when this model has no such value.
 */
function place(kind: Stored, index: number, model: Model): Omit<ReferenceTensor, 'tensor'> | undefined {
  const { L } = model.stack.sizes;
  if (kind === 'hidden_states') {
    if (index === 0) return { kind: 'embeddings', layer: undefined, hook: 'embed.hook_out' };
    if (index > L) return undefined;
    const last = model.stack.lastHiddenState ?? 'ln_final.hook_out';
    const hook: HookName = index === L ? last : `blocks.${index - 1}.hook_out`;
    return { kind, layer: index - 1, hook };
  }
  const summed = kind === 'attn_out' && returnsResidual.has(model.stack.family);
  const hook = `blocks.${index}.${summed ? 'hook_resid_mid' : places[kind]}` as HookName;
  // Layers without attention have a norm before them too, but nothing is given to attention there.
  const attends = model.hookNames.includes(`blocks.${index}.attn.hook_out`);
  return attends && model.hookNames.includes(hook) ? { kind, layer: index, hook } : undefined;
}

/** Linear attention weighs keys in rows of any sum, which references hold in forms of their own (by block, or not at all). */
const hasRows = ({ rows = 'one' }: Block) => rows === 'one' || rows === 'part';

/** The layer of each `attentions.I`: I, or where a file numbers the layers with softmax alone, the I-th of those. */
function attentionLayers(reference: SafetensorsFile, model: Model, prefix: string): number[] {
  const { blocks } = model.stack;
  const all = blocks.map((_, layer) => layer);
  const softmax = all.filter((layer) => hasRows(blocks[layer]!));
  const count = [...reference.tensors.keys()].filter(
    (name) => name.startsWith(prefix) && parse(name.slice(prefix.length), model)?.kind === 'attentions',
  ).length;
  return count === softmax.length ? softmax : all;
}

/**
 * Reads off a reference file what it holds of a stack under a prefix (`output.` or `padded.`). A kind that the file has for one layer must
 * be there for all, learned-sink mass wherever there are patterns, and the logits of a stack that has them.
 */
export function planReference(reference: SafetensorsFile, model: Model, prefix: 'output.' | 'padded.'): ReferencePlan {
  const { stack } = model;
  const { blocks, sizes, outputs = {} } = stack;
  const tensors: ReferenceTensor[] = [];
  const misplaced: string[] = [];
  const kinds = new Set<Stored>();
  const layers = attentionLayers(reference, model, prefix);
  const has = (name: string) => reference.tensors.has(prefix + name);
  const { before } = spelling(model);
  const whole = { layer: undefined, hook: undefined };
  for (const tensor of reference.tensors.keys()) {
    if (!tensor.startsWith(prefix)) continue;
    const name = tensor.slice(prefix.length);
    const found = parse(name, model);
    if (name === 'logits' && readsTokens(stack) && stack.unembed) tensors.push({ tensor, kind: 'logits', ...whole });
    else if (Object.hasOwn(outputs, name)) tensors.push({ tensor, kind: 'outputs', output: name, ...whole });
    else if (name === `${before}last_hidden_state`)
      tensors.push({ tensor, kind: 'last_hidden_state', layer: undefined, hook: 'ln_final.hook_out' });
    else if (found) {
      const { kind, index } = found;
      kinds.add(kind);
      const layer = kind === 'attentions' ? layers[index] : index;
      const at = layer === undefined ? undefined : place(kind, layer, model);
      // Rows of a form of their own are of no plan: they count as unknown.
      const comparable = kind !== 'attentions' || layer === undefined || hasRows(blocks[layer]!);
      if (!at) misplaced.push(tensor);
      else if (comparable) tensors.push({ tensor, ...at });
    }
  }
  const leaves = blocks.some((block) => block.learnedSink && !block.rowsBeforeSink);
  if (kinds.has('attentions') && leaves) kinds.add('sinks');
  const wanted = [...kinds].flatMap((kind) =>
    Array.from({ length: sizes.L + 1 }, (_, index) => index)
      .filter((index) => {
        if (kind !== 'attentions') return place(kind, index, model) !== undefined;
        const block = blocks[layers[index] ?? -1];
        return block !== undefined && hasRows(block);
      })
      .map((index) => (kind === 'cross_attentions' ? `${kind}.${index}` : `${before}${kind}.${index}`)),
  );
  const ends = readsTokens(stack) && stack.unembed ? ['logits'] : [];
  const missing = [...wanted, ...ends].filter((name) => !has(name)).map((name) => prefix + name);
  const rank = ({ kind, layer }: ReferenceTensor) =>
    kind === 'embeddings' ? -1 : layer === undefined ? Number.POSITIVE_INFINITY : layer;
  tensors.sort((a, b) => rank(a) - rank(b) || referenceKinds.indexOf(a.kind) - referenceKinds.indexOf(b.kind));
  return { tensors, missing, misplaced };
}
