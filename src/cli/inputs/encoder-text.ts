import { InputError } from '../../error.ts';
import { pageIds, protocolTexts } from '../../load/prompts.ts';
import { describeTokens } from '../../load/token-roles.ts';
import type { Tokenizer } from '../../load/tokenizer.ts';
import { named } from '../../models/feed.ts';
import type { TokenStack } from '../../models/stack.ts';
import { givenText, type Opened, type PreparedInput, type ScanInputOptions } from './prepared.ts';

/** What a tokenizer puts around texts: [CLS] a [SEP], or [CLS] a [SEP] b [SEP]. */
export interface Frame {
  readonly before: readonly number[];
  readonly between: readonly number[];
  readonly after: readonly number[];
}

/**
 * Special tokens around one text (`between` is then empty) or around two. Throws an InputError where the tokenizer changes what stands between
 * them, so that texts cannot be framed by hand.
 */
export function frameOf(tokenizer: Tokenizer, pair: boolean): Frame {
  const plain = (text: string) => tokenizer.encode(text, { specialTokens: false });
  const [first, second] = [plain('one'), plain('two')];
  const { ids } = pair ? tokenizer.encodePair('one', 'two') : tokenizer.encodePair('one');
  const at = find(ids, first, 0);
  const then = pair && at >= 0 ? find(ids, second, at + first.length) : at;
  if (at < 0 || then < 0)
    throw new InputError('the tokenizer has no plain special tokens around a text; give the ids with --ids');
  return {
    before: ids.slice(0, at),
    between: pair ? ids.slice(at + first.length, then) : [],
    after: ids.slice(then + (pair ? second : first).length),
  };
}

function find(ids: readonly number[], part: readonly number[], from: number): number {
  for (let at = from; at + part.length <= ids.length; at++) if (part.every((id, i) => ids[at + i] === id)) return at;
  return -1;
}

/** Ids of a framed text, and the type of each token where the stack knows types: 0 up to and with what stands between, then 1. */
export function framed(
  { before, between, after }: Frame,
  first: readonly number[],
  second: readonly number[] = [],
): { readonly ids: number[]; readonly types: number[] } {
  const ids = [...before, ...first, ...between, ...second, ...after];
  const ofFirst = second.length === 0 ? ids.length : before.length + first.length + Math.min(1, between.length);
  return { ids, types: ids.map((_, i) => (i < ofFirst ? 0 : 1)) };
}

/** A text or a pair between the special tokens of an encoder; texts of the protocol alike. */
export async function encoderInput(
  stack: TokenStack,
  options: ScanInputOptions,
  opened: Opened,
): Promise<PreparedInput> {
  if (options.chat !== undefined) throw new InputError(`--chat: ${named(stack)} reads texts; give one with --text`);
  const tokenizer = opened.tokenizer();
  const { pair } = options;
  const frame = frameOf(tokenizer, pair !== undefined);
  const around = frame.before.length + frame.between.length + frame.after.length;
  const most = Math.min(stack.sizes.maxPositions, stack.embeddedPositions ?? Number.POSITIVE_INFINITY);
  const room = Math.min(options.tokens, most) - around;
  const { source, text } = await givenText(options);
  const plain = (given: string, tokens: number) => pageIds(given, tokenizer, { tokens, bos: 'none' });
  const second = pair === undefined ? undefined : plain(pair, Math.max(1, Math.floor(room / 2)));
  const first = plain(text, room - (second?.ids.length ?? 0));
  const { ids, types } = framed(frame, first.ids, second?.ids);
  const cut = first.cut || second?.cut;
  const single = options.text !== undefined || options.file !== undefined || pair !== undefined;
  const texts = single
    ? undefined
    : protocolTexts(text, tokenizer, { texts: options.texts, tokens: options.textTokens - around, bos: 'none' });
  const roles = {
    ...(frame.before[0] === undefined ? {} : { classId: frame.before[0] }),
    ...(frame.after.length === 0 ? {} : { separatorId: frame.after.at(-1)! }),
  };
  const tokens = describeTokens(ids, tokenizer, roles);
  return {
    page: stack.types !== undefined && second ? { ids: [ids], types: [types] } : ids,
    tokens,
    ...(texts ? { texts: texts.ids.map((one) => framed(frame, one).ids) } : {}),
    ...{ fixed: frame.before.length, fixedEnd: frame.after.length },
    told: {
      ...{ bos: options.bos, bosAdded: false, firstIds: ids.slice(0, 8), source, page: tokens },
      ...(texts ? { protocol: { texts: options.texts, tokens: options.textTokens } } : {}),
    },
    notes:
      cut && single
        ? [`The text is longer than there is room for; its first ${first.ids.length} tokens were scanned.`]
        : [],
  };
}
