import type { SafetensorsFile } from '../load/safetensors-file.ts';
import type { Block } from './decoder.ts';
import type { HookName } from './hook-names.ts';
import type { Model } from './model.ts';

/** What a tensor of a reference file holds, in the order in which a block computes it. */
export const referenceKinds = [
  'embeddings',
  'attn_in',
  'attentions',
  'sinks',
  'rows + sink',
  'attn_out',
  'hidden_states',
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
  /** Where it is read; undefined for logits. */
  readonly hook: HookName | undefined;
}

/** What a reference file gives for one input. */
export interface ReferencePlan {
  /** In model order. */
  readonly tensors: readonly ReferenceTensor[];
  /** Tensors that should be there and are not. */
  readonly missing: readonly string[];
  /** Tensors of a known kind that the model has no place for: a layer too many, sinks it does not have. */
  readonly misplaced: readonly string[];
  /** `output.*` tensors of another kind, which are not compared. */
  readonly unknown: readonly string[];
}

const stored = ['attn_in', 'attentions', 'sinks', 'attn_out', 'hidden_states'] as const;
type Stored = (typeof stored)[number];

const places: Record<Exclude<Stored, 'hidden_states'>, string> = {
  attn_in: 'ln1.hook_out',
  attentions: 'attn.hook_pattern',
  sinks: 'attn.hook_sink',
  attn_out: 'attn.hook_out',
};

/** Families whose reference hands the residual to its attention module, which gives back the sum. */
const returnsResidual = new Set(['bloom']);

/**
 * Where the model has `{kind}.{index}`. Hidden state 0 is the embedding output, entry I the output of block I − 1, and the last one is
 * after the final norm. Undefined when this model has no such value.
 */
function place(kind: Stored, index: number, model: Model): Omit<ReferenceTensor, 'tensor'> | undefined {
  const { L } = model.decoder.sizes;
  if (kind === 'hidden_states') {
    if (index === 0) return { kind: 'embeddings', layer: undefined, hook: 'embed.hook_out' };
    if (index > L) return undefined;
    const hook: HookName = index === L ? 'ln_final.hook_out' : `blocks.${index - 1}.hook_out`;
    return { kind, layer: index - 1, hook };
  }
  const summed = kind === 'attn_out' && returnsResidual.has(model.decoder.family);
  const hook = `blocks.${index}.${summed ? 'hook_resid_mid' : places[kind]}` as HookName;
  // Layers without attention have a norm before them too, but nothing is given to attention there.
  const attends = model.hookNames.includes(`blocks.${index}.attn.hook_out`);
  return attends && model.hookNames.includes(hook) ? { kind, layer: index, hook } : undefined;
}

/** Linear attention weighs keys in rows of any sum, which references hold in forms of their own (by block, or not at all). */
const hasRows = ({ rows = 'one' }: Block) => rows === 'one' || rows === 'part';

/** The layer of each `attentions.I`: I, or where a file numbers the layers with softmax alone, the I-th of those. */
function attentionLayers(reference: SafetensorsFile, model: Model, prefix: string): number[] {
  const { blocks } = model.decoder;
  const all = blocks.map((_, layer) => layer);
  const softmax = all.filter((layer) => hasRows(blocks[layer]!));
  const count = [...reference.tensors.keys()].filter((name) => name.startsWith(`${prefix}attentions.`)).length;
  return count === softmax.length ? softmax : all;
}

/**
 * Reads off a reference file what it holds under a prefix (`output.` or `padded.`). A kind that the file has for one layer must be there
 * for all, learned-sink mass wherever there are patterns, and logits always.
 */
export function planReference(reference: SafetensorsFile, model: Model, prefix: 'output.' | 'padded.'): ReferencePlan {
  const tensors: ReferenceTensor[] = [];
  const misplaced: string[] = [];
  const unknown: string[] = [];
  const kinds = new Set<Stored>();
  const layers = attentionLayers(reference, model, prefix);
  const has = (name: string) => reference.tensors.has(prefix + name);
  for (const name of reference.tensors.keys()) {
    if (!name.startsWith(prefix) || name === 'padded.input_ids' || name === 'padded.attention_mask') continue;
    const [, kind, index] = /^([a-z_]+)(?:\.(\d{1,6}))?$/.exec(name.slice(prefix.length)) ?? [];
    if (kind === 'logits' && index === undefined)
      tensors.push({ tensor: name, kind: 'logits', layer: undefined, hook: undefined });
    else if (index !== undefined && stored.includes(kind as Stored)) {
      kinds.add(kind as Stored);
      const layer = kind === 'attentions' ? layers[Number(index)] : Number(index);
      const found = layer === undefined ? undefined : place(kind as Stored, layer, model);
      if (found && kind === 'attentions' && !hasRows(model.decoder.blocks[layer!]!)) unknown.push(name);
      else if (found) tensors.push({ tensor: name, ...found });
      else misplaced.push(name);
    } else unknown.push(name);
  }
  const leaves = model.decoder.blocks.some((block) => block.learnedSink && !block.rowsBeforeSink);
  if (kinds.has('attentions') && leaves) kinds.add('sinks');
  const wanted = [...kinds].flatMap((kind) =>
    Array.from({ length: model.decoder.sizes.L + 1 }, (_, index) => index)
      .filter((index) => {
        if (kind !== 'attentions') return place(kind, index, model) !== undefined;
        const block = model.decoder.blocks[layers[index] ?? -1];
        return block !== undefined && hasRows(block);
      })
      .map((index) => `${kind}.${index}`),
  );
  const missing = [...wanted, 'logits'].filter((name) => !has(name)).map((name) => prefix + name);
  const rank = ({ kind, layer }: ReferenceTensor) =>
    kind === 'embeddings' ? -1 : kind === 'logits' ? Number.POSITIVE_INFINITY : layer!;
  tensors.sort((a, b) => rank(a) - rank(b) || referenceKinds.indexOf(a.kind) - referenceKinds.indexOf(b.kind));
  return { tensors, missing, misplaced, unknown };
}
