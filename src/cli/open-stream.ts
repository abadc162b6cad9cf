import type { CachePolicy } from '../cache/policy.ts';
import type { PolicyFile } from '../cache/policy-file.ts';
import { policyFiles } from '../cache/registry.ts';
import { createStream, type Stream } from '../cache/stream.ts';
import { InputError } from '../error.ts';
import { type ChatTurns, chatTurns } from '../load/chat-turns.ts';
import { withBos } from '../load/tokenizer.ts';
import type { Model } from '../models/model.ts';
import { escapeText } from '../report/escape.ts';
import { integer } from '../report/format.ts';
import type { CommandContext } from './command.ts';
import { checkMemory } from './memory.ts';
import { type OpenedModel, openModel } from './open.ts';
import type { StreamFlags } from './stream-options.ts';
import { plainBytes } from './terminal.ts';

export interface OpenedStream {
  readonly opened: OpenedModel;
  readonly stream: Stream;
  readonly file: PolicyFile;
  /** The system prompt as tokens, BOS included where the tokenizer adds one; not read yet. Empty without one. */
  readonly system: readonly number[];
}

/** Opens a model and an empty stream on it, and says on standard error what its cache keeps. The caller disposes of both. */
export async function openStream(
  name: string | undefined,
  flags: StreamFlags,
  context: CommandContext,
  tokenizer: 'needed' | 'optional' = 'optional',
): Promise<OpenedStream> {
  const { terminal } = context;
  const opened = await openModel(name, flags, context, tokenizer);
  const { model } = opened;
  try {
    const system = flags.system === undefined ? [] : systemIds(opened, flags);
    const sinks = flags.system === undefined ? flags.sinks : system.length;
    const file = policyFiles.find((one) => one.name === flags.policy)!;
    const policy = policyOf(file, flags, sinks, model);
    if (system.length > 0 && !staysFor(policy, model, system.length))
      throw new InputError(
        `--system: ${file.name} would not keep it; take --policy streaming-llm, which pins the first tokens`,
      );
    const size = cacheBytes(policy, model);
    const warning = checkMemory(size, 'this cache', 'choose a smaller --capacity');
    const stream = createStream(model, { policy, weights: flags.weights });
    const positions = policy.positions === 'absolute' ? 'the text' : 'the cache';
    terminal.err(
      `${escapeText(policy.name)}: keeps ${escapeText(policy.keeps)}; positions are counted in ${positions}; ${plainBytes(size)}\n`,
    );
    if (system.length > 0)
      terminal.err(`the system prompt takes ${system.length} tokens; they are pinned as the sinks\n`);
    for (const note of [warning, longNote(policy, flags, model)]) if (note) terminal.err(`${note}\n`);
    return { opened, stream, file, system };
  } catch (error) {
    await model.dispose();
    throw error;
  }
}

function systemIds(opened: OpenedModel, { system, sinks, capacity }: StreamFlags): number[] {
  if (sinks !== undefined)
    throw new InputError('--system and --sinks: give one of them; the system prompt is pinned as the sinks');
  const tokenizer = opened.tokenizer();
  const turns: ChatTurns = chatTurns(tokenizer, system);
  if (turns.system === undefined)
    throw new InputError(
      "--system: this model's chat template does not put a system prompt in front by itself, so it cannot be pinned; say it in the first message",
    );
  const { ids } = withBos(tokenizer, tokenizer.encode(turns.system), 'auto');
  if (ids.length >= capacity)
    throw new InputError(
      `--capacity ${capacity}: the system prompt takes ${ids.length} tokens and is pinned; give more than ${ids.length}, better ${ids.length + 252}`,
    );
  return ids;
}

function policyOf(file: PolicyFile, flags: StreamFlags, sinks: number | undefined, { decoder }: Model): CachePolicy {
  const { capacity, positions } = flags;
  if (sinks !== undefined && sinks >= capacity)
    throw new InputError(
      `--capacity ${capacity}: it holds the sinks and what is recent; give more than --sinks ${sinks}`,
    );
  return file.make({
    ...{ capacity, sizes: decoder.sizes },
    ...(sinks === undefined ? {} : { sinks }),
    ...(positions === undefined ? {} : { positions }),
  });
}

/** Are the first tokens kept for ever? */
function staysFor(policy: CachePolicy, { decoder }: Model, count: number): boolean {
  if (!policy.keep && !policy.lastQuery) return true;
  return policy.layout(decoder.sizes).tables.every(({ pinned }) => pinned >= count);
}

/** Bytes of keys and values of one text. */
function cacheBytes(policy: CachePolicy, { decoder }: Model): number {
  const { layers, tables } = policy.layout(decoder.sizes);
  const { G, D } = decoder.sizes;
  const entries = ({ heads, table }: (typeof layers)[0][0]) => {
    const { pinned, entries: room } = tables[table]!;
    return (heads?.length ?? G) * (pinned + room);
  };
  return 8 * D * layers.flat().reduce((total, bank) => total + entries(bank), 0);
}

function longNote({ positions }: CachePolicy, { capacity, maxTokens }: StreamFlags, { decoder }: Model) {
  const { maxPositions } = decoder.sizes;
  const longest = positions === 'absolute' ? (maxTokens ?? Number.POSITIVE_INFINITY) : capacity;
  if (longest <= maxPositions) return undefined;
  return positions === 'absolute'
    ? `positions grow with the text; the model was made for ${integer(maxPositions)}`
    : `the cache holds more than the ${integer(maxPositions)} tokens that the model was made for`;
}
