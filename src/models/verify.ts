import { InputError, LoadError } from '../error.ts';
import type { SafetensorsFile } from '../load/safetensors-file.ts';
import { type Distance, distance } from './compare-values.ts';
import { hookOrder } from './hook-names.ts';
import type { TokenBatch } from './input.ts';
import type { Model } from './model.ts';
import { run } from './run.ts';
import { traceHooks } from './trace-hooks.ts';
import { planReference, type ReferenceKind, type ReferencePlan, type ReferenceTensor } from './verify-reference.ts';

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
  /** Index of the largest difference. */
  readonly index: readonly number[];
  readonly holds: boolean;
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
const insideAttention = new Set<ReferenceKind>(['attentions', 'sinks']);

/**
 * Compares the model with what its reference implementation computed, layer by layer: embeddings, input and output of attention,
 * patterns, learned-sink mass (and that rows and sink sum to one), hidden states, logits; of padded inputs the real positions.
 *
 * @param reference `input.input_ids` [B, T], `output.hidden_states.I` [B, T, M] (0: embeddings, the last after the final norm),
 * `output.attn_in.I`, `output.attn_out.I` [B, T, M], `output.attentions.I` [B, H, T, S], `output.sinks.I` [B, H, T], `output.logits`
 * [B, T, V]; optionally `padded.input_ids`, `padded.attention_mask` and the same tensors under `padded.`.
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
  const plain = planReference(reference, model, 'output.');
  const plans: [ReferencePlan, TokenBatch][] = [[plain, await readBatch(reference, 'input.')]];
  if ([...reference.tensors.keys()].some((name) => name.startsWith('padded.')))
    plans.push([planReference(reference, model, 'padded.'), await readBatch(reference, 'padded.')]);

  const comparisons: TensorComparison[] = [];
  for (const one of lowering === 'both' ? (['watched', 'fast'] as const) : [lowering])
    for (const [plan, batch] of plans) {
      options.signal?.throwIfAborted();
      comparisons.push(...(await compareRun(model, reference, plan, batch, one, { tolerance, logitsTolerance })));
    }
  const all = (key: 'missing' | 'misplaced' | 'unknown') => plans.flatMap(([plan]) => plan[key]);
  const first = comparisons.find(({ holds }) => !holds);
  const [missing, misplaced] = [all('missing'), all('misplaced')];
  const compared = comparisons.some(({ values }) => values > 0);
  return {
    holds: compared && first === undefined && missing.length === 0 && misplaced.length === 0,
    tolerance,
    logitsTolerance,
    comparisons,
    ...(first === undefined ? {} : { first }),
    suspects: first === undefined ? [] : suspects(model, comparisons, first),
    missing,
    misplaced,
    unknown: all('unknown'),
  };
}

/** Rows of `{prefix}input_ids` with `{prefix}attention_mask` where there is one. */
async function readBatch(reference: SafetensorsFile, prefix: 'input.' | 'padded.'): Promise<TokenBatch> {
  const rows = async (name: string) => {
    const shape = reference.tensors.get(name)?.shape;
    if (shape?.length !== 2 || shape.includes(0))
      throw new LoadError(
        `${reference.name}: expected ${name} of shape [B, T], ${shape ? `got [${shape}]` : 'it is missing'}`,
      );
    const flat = Array.from(await reference.read(name));
    return Array.from({ length: shape[0]! }, (_, b) => flat.slice(b * shape[1]!, (b + 1) * shape[1]!));
  };
  const mask = `${prefix}attention_mask`;
  return {
    ids: await rows(`${prefix}input_ids`),
    ...(prefix === 'padded.' || reference.tensors.has(mask) ? { attentionMask: await rows(mask) } : {}),
  };
}

async function compareRun(
  model: Model,
  reference: SafetensorsFile,
  plan: ReferencePlan,
  batch: TokenBatch,
  lowering: LoweringName,
  tolerances: Pick<VerifyResult, 'tolerance' | 'logitsTolerance'>,
): Promise<TensorComparison[]> {
  const wanted = plan.tensors.filter(({ kind }) => lowering === 'watched' || !insideAttention.has(kind));
  const capture = wanted.flatMap(({ hook }) => (hook === undefined ? [] : [hook]));
  for (const { kind, layer } of wanted)
    if (kind === 'attentions' && model.decoder.blocks[layer!]!.learnedSink)
      capture.push(`blocks.${layer!}.attn.hook_sink`);
  const result = await run(model, batch, { capture });
  const mask = batch.attentionMask?.flat();
  const T = batch.ids[0]!.length;
  const real = mask?.includes(0) ? { mask, T } : undefined;
  const comparisons: TensorComparison[] = [];
  for (const target of wanted) {
    const { tensor, kind, hook } = target;
    const ours = hook === undefined ? result.logits! : result.captured.get(hook)!;
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
      comparisons.push({ ...target, lowering, ...nothing, holds: false, problem });
      continue;
    }
    const axes = hook === undefined ? ['B', 'T', 'V'] : hookOrder(hook);
    const values = ours.data as Float32Array;
    const sink = result.captured.get(`blocks.${target.layer!}.attn.hook_sink`)?.data as Float32Array | undefined;
    const before = kind === 'attentions' && model.decoder.blocks[target.layer!]!.rowsBeforeSink;
    const compared = before ? rowsBeforeSink(values, shape) : values;
    const found = distance(compared, await reference.read(tensor), shape, axes, real);
    comparisons.push(judged({ ...target, lowering, ...found }, limit));
    if (kind === 'attentions') {
      const sums = rowSums(values, shape, sink);
      const rows = distance(sums, 1, shape.slice(0, 3), axes.slice(0, 3), real);
      comparisons.push(judged({ ...target, kind: 'rows + sink', lowering, ...rows }, limit));
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
  const nodeOf = ({ hook }: TensorComparison) => values.get(hook ?? 'unembed.hook_out')!.node;
  const before = comparisons.slice(0, comparisons.indexOf(first)).filter(({ holds }) => holds);
  const right = new Set(before.map(nodeOf));
  const start = nodeOf(first);
  if (right.has(start)) return [];
  const seen = new Set([start]);
  for (const node of seen) for (const from of node.inputs) if (!right.has(from)) seen.add(from);
  const weights = [...seen].filter(({ operator }) => operator.name === 'weight').sort((x, y) => x.serial - y.serial);
  return [...new Set(weights.map(({ attributes }) => attributes.name as string))];
}
