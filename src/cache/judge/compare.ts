import { InputError } from '../../error.ts';
import type { Model } from '../../models/model.ts';
import { DecodingEngine, type EngineOptions } from '../engine.ts';
import type { CachePolicy } from '../policy.ts';
import { Stream } from '../stream.ts';
import { keptRuns } from './kept-runs.ts';
import { askNeedle } from './needle-answers.ts';
import type { NeedleTask } from './needle-tasks.ts';
import type { ComparedPolicy } from './policy-names.ts';
import type { PolicyRun, Span } from './policy-run.ts';
import { defaultPace, type Pace } from './read-steps.ts';
import { type ReadTextOptions, readText } from './read-text.ts';
import { recomputeText } from './recompute.ts';
import { plannedLosses, SpanWatch } from './span-watch.ts';

export interface ComparisonOptions extends EngineOptions {
  /** The text that every policy reads. */
  readonly ids: readonly number[];
  /** See `namedPolicies`. */
  readonly policies: readonly ComparedPolicy[];
  /** Entries that each head may keep. */
  readonly capacity: number;
  /** Tokens that a policy with the positions of the text may read where it does not evict. Default: those the model was trained for. */
  readonly limit?: number;
  /** Tokens whose eviction is to be told. */
  readonly spans?: readonly Span[];
  /** Facts to be found again. Default none. */
  readonly needles?: readonly NeedleTask[];
  readonly pace?: Partial<Pace>;
  /** Every which token `recompute` predicts. Default: 128 of the text. */
  readonly stride?: number;
  /** Tokens that policies which decide at the end of a prompt read as one. Default: twice the capacity. */
  readonly prompt?: number;
  /** The result of a policy that is known from before. */
  readonly known?: (policy: ComparedPolicy) => Promise<PolicyRun | undefined>;
  /** Called with the result of each policy as soon as there is one. */
  readonly finished?: (policy: ComparedPolicy, run: PolicyRun) => Promise<void>;
  readonly progress?: (label: string, done: number, total: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Tokens between those that `recompute` predicts where nothing else is asked: 128 in all. */
export const strideOf = (tokens: number): number => Math.max(1, Math.ceil(tokens / 128));

/** After how many tokens it is taken down what is kept: when the cache is full, and at every fifth of the text. */
export function keptMoments(tokens: number, capacity: number): number[] {
  const moments = [capacity, ...[1, 2, 3, 4, 5].map((fifth) => Math.round((fifth * tokens) / 5))];
  return [...new Set(moments)].filter((at) => at >= 1 && at <= tokens).sort((a, b) => a - b);
}

/**
 * Runs the model under each policy over the same text, teacher forced, and takes down the loss of every token, bytes and time, what is
 * kept, when named tokens are evicted, and whether facts are found again. One policy after the other, each with weights of its own.
 *
 * @throws InputError for an empty text, token ids outside the vocabulary, or a model without a newline token where one is needed.
 */
export async function comparePolicies(model: Model, options: ComparisonOptions): Promise<PolicyRun[]> {
  const { ids, policies, known, finished, signal } = options;
  if (ids.length < 2) throw new InputError(`policies: expected a text of at least 2 tokens, got ${ids.length}`);
  const runs: PolicyRun[] = [];
  for (const policy of policies) {
    signal?.throwIfAborted();
    let run = await known?.(policy);
    if (!run) {
      run = await runPolicy(model, policy, options);
      await finished?.(policy, run);
    }
    runs.push(run);
  }
  return runs;
}

async function runPolicy(model: Model, compared: ComparedPolicy, options: ComparisonOptions): Promise<PolicyRun> {
  const began = performance.now();
  const { label, recompute, newlines: shift } = compared;
  const { ids, capacity, spans = [], needles = [], signal, progress } = options;
  const { policy } = compared;
  const total = ids.length;
  const work = total + needles.reduce((sum, task) => sum + task.ids.length, 0);
  let done = 0;
  const tell = (read: number) => progress?.(label, Math.min(done + read, work), work);
  await using engine = new DecodingEngine(model, options);
  const stream = new Stream(model, { policy, engine });
  const front = Array.from({ length: shift }, () => newlineOf(model));
  const text = [...front, ...ids];
  const reading: ReadTextOptions = {
    pace: { ...defaultPace, ...options.pace },
    prompt: shift + (options.prompt ?? 2 * capacity),
    limit: limitOf(model, policy, options.limit),
    signal,
  };
  const kept: PolicyRun['kept'] = [];
  const watch = new SpanWatch(spans, shift);
  const { cache } = stream;
  const moments = keptMoments(total, capacity);
  const { losses, times, bytes, allocated, ended } = recompute
    ? await recomputeText(stream, ids, { capacity, stride: options.stride ?? strideOf(total), signal, progress: tell })
    : await readText(stream, text, {
        ...reading,
        stops: moments.map((at) => at + shift),
        stopped: (read) => kept.push({ at: read - shift, runs: keptRuns(cache, shift) }),
        ...(policy.keep ? { stepped: (at) => watch.look(at) } : {}),
        progress: (read) => tell(read - shift),
      });
  const read = ended ? ended.at - shift : total;
  const gone = (token: number) => (token + capacity < total ? token + capacity : null);
  const left = recompute
    ? spans.map((span) => ({ ...span, firstLost: gone(span.from), allLost: gone(span.to - 1) }))
    : policy.keep
      ? watch.found()
      : plannedLosses(spans, cache, read, shift);
  if (recompute) for (const at of moments) kept.push({ at, runs: [[Math.max(0, at - capacity), at, 1]] });
  done = total;
  const answers: PolicyRun['needles'] = [];
  for (const task of needles) {
    const asked = { ...reading, newlines: front, recompute: recompute ? capacity : undefined };
    answers.push(await askNeedle(stream, task, { ...asked, progress: tell }));
    done += task.ids.length;
  }
  const values = [...losses.subarray(shift)];
  return {
    ...{ label, name: policy.name, source: policy.source, keeps: policy.keeps, decides: policy.decides },
    ...{ positions: policy.positions, newlines: shift, left, kept, needles: answers },
    losses: values.map((loss) => (Number.isFinite(loss) ? loss : null)),
    ended: ended ? { ...ended, at: ended.at - shift } : null,
    allocated,
    bytes: bytes.map(([at, size]) => [Math.max(0, at - shift), size]),
    times: times.map(([at, ms]) => [Math.max(0, at - shift), ms]),
    notes: notesOf(model, compared, options, values.slice(1, read)),
    seconds: (performance.now() - began) / 1000,
  };
}

function limitOf({ decoder }: Model, policy: CachePolicy, asked: number | undefined): ReadTextOptions['limit'] {
  const { maxPositions } = decoder.sizes;
  const never = { tokens: Number.POSITIVE_INFINITY, why: '' };
  // Tables of positions have an end; angles do not.
  const table = decoder.blocks.every(({ attention }) => attention.rotary === undefined);
  if (policy.positions === 'absolute' && table && maxPositions < (asked ?? Number.POSITIVE_INFINITY))
    return { tokens: maxPositions, why: `the model has ${maxPositions} positions` };
  if (policy.keep || policy.lastQuery) return never;
  if (asked !== undefined && asked < maxPositions) return { tokens: asked, why: 'the limit that was given' };
  return { tokens: asked ?? maxPositions, why: `the model was trained for ${maxPositions} positions` };
}

function newlineOf({ tokenizer }: Model): number {
  const found = tokenizer?.encode('\n', { specialTokens: false }) ?? [];
  if (found.length === 1) return found[0]!;
  throw new InputError('policies: newline-sinks needs a tokenizer with a token for a newline; leave it out');
}

function notesOf(
  { decoder }: Model,
  { policy, recompute }: ComparedPolicy,
  { ids, capacity, stride, prompt }: ComparisonOptions,
  losses: readonly number[],
): string[] {
  const { maxPositions } = decoder.sizes;
  const bad = recompute ? 0 : losses.filter((loss) => !Number.isFinite(loss)).length;
  const evicts = policy.keep !== undefined || policy.lastQuery !== undefined;
  return [
    ...(recompute ? [`every ${stride ?? strideOf(ids.length)}th token was predicted`] : []),
    ...(policy.keep && policy.prompt === 'whole'
      ? [`the first ${Math.min(ids.length, prompt ?? 2 * capacity)} tokens were read as its prompt`]
      : []),
    ...(evicts && policy.positions === 'absolute' && ids.length > maxPositions
      ? [`from token ${maxPositions} on its positions are beyond those the model was trained for`]
      : []),
    ...(bad > 0 ? [`${bad} losses are not finite`] : []),
  ];
}
