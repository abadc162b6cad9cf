import { InputError } from '../error.ts';
import { parseIds } from '../load/prompts.ts';
import { readText } from '../load/prompts-node.ts';
import { withBos } from '../load/tokenizer.ts';
import type { OpenedStream } from './open-stream.ts';

export interface PromptFlags {
  readonly prompt?: string;
  readonly file?: string;
  readonly ids?: string;
  readonly bos: 'auto' | 'add' | 'none';
  readonly resume?: string;
}

/** What is read first: the ids of `--prompt`, `--file` or `--ids`, after the system prompt; BOS where there is neither. */
export async function streamPrompt(
  { opened, system }: Pick<OpenedStream, 'opened' | 'system'>,
  flags: PromptFlags,
): Promise<{ readonly source: string; readonly ids: readonly number[] }> {
  const named = (['prompt', 'file', 'ids'] as const).filter((name) => flags[name] !== undefined);
  if (named.length > 1) throw new InputError(`--${named.join(' and --')}: give one of them`);
  const { model } = opened;
  const resumed = flags.resume !== undefined;
  // What a saved stream has read begins with its system prompt.
  const first = resumed ? [] : system;
  if (flags.ids !== undefined)
    return { source: '--ids', ids: [...first, ...parseIds(flags.ids, model.decoder.sizes.V)] };
  const text = flags.file === undefined ? flags.prompt : await readText(flags.file);
  if (text === undefined) {
    if (resumed || system.length > 0) return { source: resumed ? '--resume' : '--system', ids: first };
    const bos = model.tokenizer?.bosId;
    if (bos === undefined || flags.bos === 'none')
      throw new InputError(
        'stream: there is nothing to go on from; give a text with --prompt or --file, or ids with --ids',
      );
    return { source: 'BOS', ids: [bos] };
  }
  const tokenizer = opened.tokenizer();
  const ids = tokenizer.encode(text, { specialTokens: false });
  const source = flags.file ?? '--prompt';
  if (ids.length === 0) throw new InputError(`${source}: has no tokens; give some text`);
  return { source, ids: [...first, ...withBos(tokenizer, ids, resumed || first.length > 0 ? 'none' : flags.bos).ids] };
}
