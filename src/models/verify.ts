import { InputError } from '../error.ts';
import type { SafetensorsFile } from '../load/safetensors-file.ts';
import { type Distance, distance } from './compare-values.ts';
import { type HookName, hookOrder } from './hook-names.ts';
import type { Batch } from './input.ts';
import type { Model } from './model.ts';
import { run } from './run.ts';
import { traceHooks } from './trace-hooks.ts';
import { inOrder, type Made, readReferenceBatch } from './verify-batch.ts';
import { presented } from './verify-layout.ts';
import { planReference, type ReferenceKind, type ReferencePlan, type ReferenceTensor } from './verify-reference.ts';
import { comparable, firstTies, tieHooks } from './verify-ties.ts';

export type LoweringName = 'watched' | 'fast';

export interface VerifyOptions {
  /** Holds where |a − b| ≤ tolerance · max(1, |b|). Default 1e-4. */
  readonly tolerance?: number;
  /** The same for logits. Default 2e-4. */
  readonly logitsTolerance?: number;
  /**
   * `watched`: every step of attention is a value of its own. `fast`: attention is one fused operator where the family permits it, so
   * patterns and learned-sink mass are not there to compare. Default both.
   */
  readonly lowering?: LoweringName | 'both';
  readonly signal?: AbortSignal;
}

/** One tensor of the reference, compared under one lowering. */
export interface TensorComparison extends ReferenceTensor, Omit<Distance, 'index'> {
  readonly lowering: LoweringName;
  /** Which stack gave it, of a checkpoint that has several. */
  readonly part?: string;
  /** Index of the largest difference. */
  readonly index: readonly number[];
  readonly holds: boolean;
  /** Queries that were left out: a choice of keys before them hangs on a tie, which reference implementations break in no order. Absent: none. */
  readonly tied?: number;
  /** Why it could not be compared: a wrong shape, values that are not finite. */
  readonly problem?: string;
}

export interface VerifyResult {
  /** True when something was compared, everything compared holds, and nothing is missing or misplaced. */
  readonly holds: boolean;
  readonly tolerance: number;
  readonly logitsTolerance: number;
  /** In model order, the watched lowering first, padded inputs after plain ones. */
  readonly comparisons: readonly TensorComparison[];
  /** The first that does not hold. */
  readonly first?: TensorComparison;
  /** Weights that the model reads between the last values that hold and the first that does not, in its order. */
  readonly suspects: readonly string[];
  readonly missing: readonly string[];
  readonly misplaced: readonly string[];
  /** `output.*` and `padded.*` tensors of a kind that is not known. */
  readonly unknown: readonly string[];
}

/** Values inside attention, which the fused operator does not show. */
const insideAttention = new Set<ReferenceKind>(['attentions', 'sinks', 'cross_attentions']);

/**
 * Compares the model with what its reference implementation computed, layer by layer: embeddings, input and output of attention,
 * patterns, learned-sink mass (and that rows and sink sum to one), hidden states, logits; of padded inputs the real positions.
 *
 * @param reference `input.input_ids` [B, T], `output.hidden_states.I` [B, T, M] (0: embeddings, the last after the final norm),
 * `output.attn_in.I`, `output.attn_out.I` [B, T, M], `output.attentions.I` [B, H, T, S], `output.sinks.I` [B, H, T], `output.logits`
 * [B, T, V]; of several stacks `encoder_…`, `decoder_…`, `cross_attentions.I`, `text_model_output.…`, `vision_model_output.…`, and what
 * their outputs are called; optionally `padded.input_ids`, `padded.attention_mask` and the same tensors under `padded.`.
 * @throws LoadError when the reference has no usable input; InputError for a tolerance that is no positive number.
 */
export async function verify(
  model: Model,
  reference: SafetensorsFile,
  options: VerifyOptions = {},
): Promise<VerifyResult> {
  const { tolerance = 1e-4, logitsTolerance = 2e-4, lowering = 'both' } = options;
  for (const [name, value] of Object.entries({ tolerance, logitsTolerance }))
    if (!(value > 0 && value < Number.POSITIVE_INFINITY))
      throw new InputError(`${name}: expected a positive number, got ${value}`);
  const models = model.parts.size === 0 ? [model] : inOrder(model);
  const prefixes = (['output.', 'padded.'] as const).filter(
    (prefix) => prefix === 'output.' || [...reference.tensors.keys()].some((name) => name.startsWith(prefix)),
  );
  const plans = models.flatMap((one) =>
    prefixes.map((prefix) => ({ model: one, prefix, plan: planReference(reference, one, prefix) })),
  );

  const comparisons: TensorComparison[] = [];
  for (const how of lowering === 'both' ? (['watched', 'fast'] as const) : [lowering])
    for (const prefix of prefixes) {
      const made = new Map<string, Made>();
      for (const { model: one, plan } of plans.filter((planned) => planned.prefix === prefix)) {
        options.signal?.throwIfAborted();
        const batch = await readReferenceBatch(reference, one, prefix === 'output.' ? 'input.' : prefix, made);
        comparisons.push(...(await compareRun(one, reference, plan, batch, how, { tolerance, logitsTolerance }, made)));
      }
    }
  const all = (key: 'missing' | 'misplaced') => plans.flatMap(({ plan }) => plan[key]);
  const claimed = new Set(
    plans.flatMap(({ plan }) => [...plan.tensors.map(({ tensor }) => tensor), ...plan.misplaced]),
  );
  const inputs = /^padded\.(input_ids|attention_mask|decoder_input_ids|pixel_values|input_features)$/;
  const unknown = [...reference.tensors.keys()].filter(
    (name) => /^(output|padded)\./.test(name) && !inputs.test(name) && !claimed.has(name),
  );
  const first = comparisons.find(({ holds }) => !holds);
  const [missing, misplaced] = [all('missing'), all('misplaced')];
  const compared = comparisons.some(({ values }) => values > 0);
  return {
    holds: compared && first === undefined && missing.length === 0 && misplaced.length === 0,
    tolerance,
    logitsTolerance,
    comparisons,
    ...(first === undefined ? {} : { first }),
    suspects:
      first === undefined
        ? []
        : suspects(models.find(({ stack }) => stack.part === first.part) ?? model, comparisons, first),
    missing,
    misplaced,
    unknown,
  };
}

async function compareRun(
  model: Model,
  reference: SafetensorsFile,
  plan: ReferencePlan,
  batch: Batch,
  lowering: LoweringName,
  tolerances: Pick<VerifyResult, 'tolerance' | 'logitsTolerance'>,
  made: Map<string, Made>,
): Promise<TensorComparison[]> {
  const wanted = plan.tensors.filter(({ kind }) => lowering === 'watched' || !insideAttention.has(kind));
  const capture = wanted.flatMap(({ hook }) => (hook === undefined ? [] : [hook]));
  for (const { kind, layer } of wanted) {
    if (kind !== 'attentions') continue;
    const { learnedSink, tokensPerEntry } = model.stack.blocks[layer!]!;
    if (learnedSink) capture.push(`blocks.${layer!}.attn.hook_sink`);
    if (tokensPerEntry) capture.push(`blocks.${layer!}.attn.hook_compressed`);
  }
  capture.push(...tieHooks(model));
  const { part } = model.stack;
  const of = part === undefined ? {} : { part };
  // Other stacks may read what this one makes.
  if (part !== undefined) capture.push('ln_final.hook_out');
  const result = await run(model, batch, { capture });
  if (part !== undefined)
    made.set(part, { stream: result.captured.get('ln_final.hook_out')!, outputs: result.outputs });
  const mask = 'ids' in batch ? batch.attentionMask?.flat() : undefined;
  const T = 'ids' in batch ? batch.ids[0]!.length : 0;
  const comparableBefore = firstTies(model, result.captured, mask);
  const comparisons: TensorComparison[] = [];
  for (const target of wanted) {
    const { tensor, kind, hook } = target;
    const captured = (name: string) => result.captured.get(name as HookName)?.data as Float32Array | undefined;
    const value =
      hook !== undefined
        ? result.captured.get(hook)!
        : target.output === undefined
          ? result.logits!
          : result.outputs.get(target.output)!;
    const { real, tied } = comparable(target, comparableBefore, { T, mask });
    const left = tied === 0 ? {} : { tied };
    const ours = presented(value, target, model, captured(`blocks.${target.layer}.attn.hook_compressed`));
    const { shape } = reference.tensors.get(tensor)!;
    const limit = kind === 'logits' ? tolerances.logitsTolerance : tolerances.tolerance;
    if (shape.length !== ours.shape.length || shape.some((size, i) => size !== ours.shape[i])) {
      const problem = `has shape [${shape}], the model gives [${ours.shape}]`;
      const nothing = {
        values: 0,
        largest: Number.POSITIVE_INFINITY,
        index: [],
        ours: Number.NaN,
        expected: Number.NaN,
        rowLargest: 0,
      };
      comparisons.push({ ...target, ...of, ...left, lowering, ...nothing, holds: false, problem });
      continue;
    }
    const axes =
      ours.axes ??
      (hook !== undefined
        ? hookOrder(hook)
        : target.output === undefined
          ? ['B', 'T', 'V']
          : shape.map((_, i) => (i === 0 ? 'B' : '')));
    const values = ours.data as Float32Array;
    const cross = kind === 'cross_attentions';
    const sink = captured(`blocks.${target.layer}.attn.hook_sink`);
    const before = kind === 'attentions' && model.stack.blocks[target.layer!]!.rowsBeforeSink;
    const compared = before ? rowsBeforeSink(values, shape) : values;
    const found = distance(compared, await reference.read(tensor), shape, axes, real);
    comparisons.push(judged({ ...target, ...of, ...left, lowering, ...found }, limit));
    if (kind === 'attentions' || cross) {
      const sums = rowSums(values, shape, cross ? undefined : sink);
      const rows = distance(sums, 1, shape.slice(0, 3), axes.slice(0, 3), real);
      comparisons.push(judged({ ...target, ...of, ...left, kind: 'rows + sink', lowering, ...rows }, limit));
    }
  }
  return comparisons;
}

function judged(comparison: Omit<TensorComparison, 'holds'>, limit: number): TensorComparison {
  const holds = comparison.values > 0 && comparison.largest <= limit;
  const { ours, expected, values } = comparison;
  const problem =
    values === 0
      ? 'no real position to compare'
      : Number.isFinite(ours) && Number.isFinite(expected)
        ? undefined
        : `is ${expected} in the reference and ${ours} here`;
  return { ...comparison, holds, ...(problem === undefined ? {} : { problem }) };
}

/** Sums over keys, with the mass on the learned sink. [B, H, T, S] and [B, H, T] → [B, H, T]. */
function rowSums(pattern: Float32Array, shape: readonly number[], sink: Float32Array | undefined): Float64Array {
  const S = shape[3]!;
  const sums = new Float64Array(pattern.length / S);
  for (let row = 0; row < sums.length; row++) {
    sums[row] = sink?.[row] ?? 0;
    for (let s = 0; s < S; s++) sums[row]! += pattern[row * S + s]!;
  }
  return sums;
}

/** Rows [B, H, T, S] as they were before a sink took its share. Their own sums keep digits that one minus the sink may not have. */
function rowsBeforeSink(pattern: Float32Array, shape: readonly number[]): Float32Array {
  const left = rowSums(pattern, shape, undefined);
  return pattern.map((weight, i) => weight / left[Math.floor(i / shape[3]!)]!);
}

/** Weights on the way back from the first value that differs, up to values that hold. */
function suspects(model: Model, comparisons: readonly TensorComparison[], first: TensorComparison): string[] {
  const values = traceHooks(model);
  // Of other outputs the stream they are made of.
  const nodeOf = ({ hook, output }: TensorComparison) =>
    values.get(hook ?? (output === undefined ? 'unembed.hook_out' : 'ln_final.hook_out'))!.node;
  const earlier = comparisons.slice(0, comparisons.indexOf(first));
  const before = earlier.filter(({ holds, part }) => holds && part === first.part);
  const right = new Set(before.map(nodeOf));
  const start = nodeOf(first);
  if (right.has(start)) return [];
  const seen = new Set([start]);
  for (const node of seen) for (const from of node.inputs) if (!right.has(from)) seen.add(from);
  const weights = [...seen].filter(({ operator }) => operator.name === 'weight').sort((x, y) => x.serial - y.serial);
  return [...new Set(weights.map(({ attributes }) => attributes.name as string))];
}
