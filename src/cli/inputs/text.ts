import { chatPrompt } from '../../load/chat-prompt.ts';
import { parseMessages } from '../../load/chat-template.ts';
import { pageIds, parseIds, protocolTexts } from '../../load/prompts.ts';
import { readText } from '../../load/prompts-node.ts';
import { describeTokens } from '../../load/token-roles.ts';
import type { TokenInfo } from '../../measure/result.ts';
import type { Model } from '../../models/model.ts';
import { givenText, type Opened, type PreparedInput, type ScanInputOptions } from './prepared.ts';

/** One text from `--text`, `--file`, `--ids` or `--chat`; else the protocol's texts and a page from `--corpus` or the text that ships. */
export async function textInput(model: Model, options: ScanInputOptions, opened: Opened): Promise<PreparedInput> {
  if (options.ids !== undefined) {
    const ids = parseIds(options.ids, model.stack.sizes.V!);
    return prepared(model, options, { source: '--ids', ids, bosAdded: false });
  }
  const tokenizer = opened.tokenizer();
  if (options.chat !== undefined) {
    const messages = parseMessages(JSON.parse(await readText(options.chat, { option: '--chat' })));
    const { ids, bosAdded, templateSpans } = chatPrompt(tokenizer, messages, { bos: options.bos });
    return prepared(model, options, {
      source: options.chat,
      ids,
      bosAdded,
      ...(templateSpans ? { templateSpans } : {}),
    });
  }
  const { source, text } = await givenText(options);
  const { ids, bosAdded, cut } = pageIds(text, tokenizer, { tokens: options.tokens, bos: options.bos });
  const page = prepared(model, options, { source, ids, bosAdded });
  if (options.text !== undefined || options.file !== undefined)
    return cut
      ? {
          ...page,
          notes: [
            ...page.notes,
            `The text is longer than ${options.tokens} tokens; the first ${options.tokens} were scanned (--tokens).`,
          ],
        }
      : page;
  const texts = protocolTexts(text, tokenizer, { texts: options.texts, tokens: options.textTokens, bos: options.bos });
  return {
    ...page,
    texts: texts.ids,
    told: { ...page.told, protocol: { texts: options.texts, tokens: options.textTokens } },
  };
}

interface Page {
  readonly source: string;
  readonly ids: number[];
  readonly bosAdded: boolean;
  readonly templateSpans?: [number, number][];
}

function prepared(
  model: Model,
  { bos }: ScanInputOptions,
  { source, ids, bosAdded, templateSpans }: Page,
): PreparedInput {
  const { tokenizer } = model;
  const { maxPositions } = model.stack.sizes;
  const tokens = tokenizer
    ? describeTokens(ids, tokenizer, templateSpans ? { templateSpans } : {})
    : ids.map(unknownToken);
  const notes =
    ids.length > maxPositions
      ? [
          `The text has ${ids.length} tokens, the model was made for ${maxPositions}: beyond them its attention is not meaningful.`,
        ]
      : [];
  return {
    page: ids,
    tokens,
    fixed: ids[0] === tokenizer?.bosId ? 1 : 0,
    told: { bos, bosAdded, firstIds: ids.slice(0, 8), source, page: tokens },
    notes,
  };
}

/** A token of a model without a tokenizer: known by its id alone. */
const unknownToken = (id: number, position: number): TokenInfo => ({
  position,
  id,
  text: `[${id}]`,
  role: position === 0 ? 'first' : 'text',
  class: 'other',
});
