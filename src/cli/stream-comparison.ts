import { createHash } from 'node:crypto';
import {
  comparePolicies,
  type NeedleTask,
  namedPolicies,
  needleTasks,
  type Pace,
  type PolicyRun,
  type Span,
  strideOf,
} from '../cache/judge/index.ts';
import { defaultPace } from '../cache/judge/read-steps.ts';
import { folderStore } from '../claims/shard-store-node.ts';
import { InputError, LoadError } from '../error.ts';
import { pageIds } from '../load/prompts.ts';
import { readText } from '../load/prompts-node.ts';
import { withBos } from '../load/tokenizer.ts';
import type { WeightPrecision } from '../models/weight-data.ts';
import { escapeText } from '../report/escape.ts';
import { type PoliciesReport, policyRunSchema } from '../report/policies.schema.ts';
import { duration } from '../report/train-words.ts';
import type { CommandContext } from './command.ts';
import { describeFiles, type OpenedModel, openModel } from './open.ts';
import type { ModelOptions } from './options.ts';
import { policiesReport } from './policies-report.ts';
import { Progress } from './terminal.ts';
import { version } from './version.ts';

/** What a comparison of policies over one text is asked for. */
export interface StreamComparisonOptions extends Partial<ModelOptions> {
  /** Names with commas between them; see `namedPolicies`. */
  readonly compare: string;
  /** The text, or a `.gz` of it. */
  readonly file: string;
  /** Tokens of it that are read. Default 2000. */
  readonly tokens?: number;
  /** Entries that each head may keep. Default 256. */
  readonly capacity?: number;
  /** Tokens that a policy which never evicts may read. Default: the positions the model was trained for. */
  readonly limit?: number;
  /** A system prompt in front of the text, whose eviction is told. */
  readonly system?: string;
  /** Facts asked for at each depth. Default 1; 0: none. */
  readonly needles?: number;
  /** Tokens of the text around each fact. Default: three times the capacity. */
  readonly needleTokens?: number;
  /** Every which token `recompute` predicts. Default: 128 in all. */
  readonly stride?: number;
  readonly oneByOne?: boolean;
  readonly weights?: WeightPrecision;
  readonly seed?: number;
  /** Where results are kept and found again; without it they are not. */
  readonly out?: string;
}

/** Opens a model and compares policies on it, with progress on standard error; what was finished when Ctrl-C came is kept. */
export async function compareOnText(
  name: string | undefined,
  options: StreamComparisonOptions,
  context: CommandContext,
): Promise<PoliciesReport> {
  const { terminal, signal } = context;
  const { capacity = 256, seed = 0, weights = 'stored', out } = options;
  const content = await readText(options.file);
  const opened = await openModel(name, { device: 'cpu', ...options }, context, 'needed');
  await using model = opened.model;
  const { sizes } = model.decoder;
  const limit = options.limit ?? sizes.maxPositions;
  const { ids, spans, text } = prepareText(content, opened, options);
  const needles = prepareNeedles(ids, opened, options, capacity);
  const longest = Math.max(ids.length, ...needles.map((task) => task.ids.length + task.answer.length));
  const policies = namedPolicies(options.compare, { capacity, limit, sizes, longest });
  const { files, text: described } = await describeFiles(opened, context);
  terminal.err(`${described.replace(', run as float32', `, run as ${weights}`)}\n`);
  const pace: Pace = { ...defaultPace, oneByOne: options.oneByOne ?? false };
  const stride = options.stride ?? strideOf(ids.length);
  const store = out === undefined ? undefined : folderStore(out);
  // Everything that decides the result of one policy.
  const shard = (label: string) => ({
    ...{ experiment: 'policies', version: 1, seed },
    setting: {
      ...{ label, capacity, limit, pace, stride, weights, threads: model.runtime.threads, text: text.sha256, spans },
      files: files.map(({ sha256 }) => sha256),
      needles: needles.map(({ ids: asked, answer }) => sha256Of([...asked, -1, ...answer])),
    },
  });
  const live = new Progress(terminal);
  let done = 0;
  const tell = (label: string, share?: number) =>
    live.show(`${escapeText(label)}, ${done + 1} of ${policies.length} policies`, share);
  try {
    const runs = await comparePolicies(model, {
      ...{ ids, policies, capacity, limit, spans, needles, pace, stride, weights, signal },
      progress: (label, read, total) => tell(label, read / total),
      known: async ({ label }) => {
        const run = await store?.get(shard(label));
        if (run === undefined) tell(label);
        else done++;
        return run === undefined ? undefined : checkRun(run, label, out!);
      },
      finished: async ({ label }, run) => {
        await store?.put(shard(label), run);
        done++;
        live.clear();
        terminal.err(`${escapeText(label)}: ${duration(run.seconds)}\n`);
      },
    });
    const settings = { ...pace, stride, limit, seed };
    const { source } = opened.resolved;
    return policiesReport(runs, { model, source, files, text, capacity, settings, weights, version });
  } catch (error) {
    if (signal.aborted && out !== undefined && done > 0)
      terminal.err(`finished policies are kept in ${escapeText(out)}; the same command goes on with the rest\n`);
    throw error;
  } finally {
    live.clear();
  }
}

const sha256Of = (ids: readonly number[]) => createHash('sha256').update(ids.join(',')).digest('hex');

/** What was kept in a folder is not trusted either. */
function checkRun(value: unknown, label: string, folder: string): PolicyRun {
  const { data, error } = policyRunSchema.safeParse(value);
  if (data?.label === label) return data;
  const what = error?.issues[0] ? `${error.issues[0].path.join('.')}: ${error.issues[0].message}` : 'another policy';
  throw new LoadError(`${folder}: the result of ${label} is damaged (${what}); remove it to run it again`);
}

/** The ids of the text, with the system prompt before it, and the tokens whose eviction is to be told. */
function prepareText(content: string, opened: OpenedModel, { file, tokens = 2000, system }: StreamComparisonOptions) {
  const tokenizer = opened.tokenizer();
  const body = pageIds(content, tokenizer, { tokens, bos: 'none' }).ids;
  const prompt = system === undefined ? [] : tokenizer.encode(system);
  const { ids: whole, bosAdded } = withBos(tokenizer, [...prompt, ...body], 'auto');
  const ids = whole.slice(0, tokens);
  const added = whole.length - prompt.length - body.length;
  if (ids.length < 16) throw new InputError(`--file ${file}: expected at least 16 tokens, got ${ids.length}`);
  if (added + prompt.length >= ids.length)
    throw new InputError(`--system: its ${prompt.length} tokens leave no room for the text; raise --tokens`);
  const spans: Span[] = [
    { label: 'the first token', from: 0, to: 1 },
    { label: 'the first four tokens', from: 0, to: 4 },
    ...(prompt.length > 0 ? [{ label: 'the system prompt', from: added, to: added + prompt.length }] : []),
  ];
  const text = {
    ...{ source: file, tokens: ids.length, sha256: sha256Of(ids), bosAdded },
    firstIds: ids.slice(0, 8),
  };
  return { ids, spans, text };
}

function prepareNeedles(
  ids: readonly number[],
  opened: OpenedModel,
  { needles = 1, needleTokens, seed = 0 }: StreamComparisonOptions,
  capacity: number,
): NeedleTask[] {
  if (needles === 0) return [];
  const { maxPositions } = opened.model.decoder.sizes;
  const tokens = needleTokens ?? Math.max(64, Math.min(3 * capacity, maxPositions - 32));
  return needleTasks(opened.tokenizer(), { filler: ids, tokens, codes: needles, seed });
}
