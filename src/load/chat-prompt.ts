import { type ChatMessage, type ChatOptions, renderChat } from './chat-template.ts';
import { templateSpans } from './token-roles.ts';
import { type Tokenizer, withBos } from './tokenizer.ts';

export interface ChatPrompt {
  readonly ids: number[];
  readonly bosAdded: boolean;
  readonly text: string;
  /** [start, end) of positions that the template wrote, BOS included; absent where that cannot be told. */
  readonly templateSpans?: [number, number][];
}

/**
 * Chat messages as ids, through the model's own template. Special tokens spelled in a message become those tokens, as in the
 * reference implementations. A template that writes BOS itself gets no second one.
 *
 * @throws InputError without a template; LoadError when the template fails or exceeds a limit.
 */
export function chatPrompt(
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  options: ChatOptions & { bos?: 'auto' | 'add' | 'none' } = {},
): ChatPrompt {
  const { text, contents } = renderChat(tokenizer.chatTemplate, messages, {
    ...options,
    specialTokens: { ...specialTokenTexts(tokenizer), ...options.specialTokens },
  });
  const encoded = tokenizer.encode(text);
  const { ids, bosAdded } = withBos(tokenizer, encoded, options.bos ?? 'auto');
  const spans = contents && templateSpans(encoded, tokenizer, text, contents);
  const shift = bosAdded ? 1 : 0;
  return {
    ids,
    bosAdded,
    text,
    ...(spans && {
      templateSpans: spans.map(([start, end]): [number, number] => [start === 0 ? 0 : start + shift, end + shift]),
    }),
  };
}

/** Special tokens by the names that templates know them by. */
export function specialTokenTexts(tokenizer: Tokenizer): Record<string, string> {
  const { bosId, eosId, padId, unknownId } = tokenizer;
  const named = { bos_token: bosId, eos_token: eosId, pad_token: padId, unk_token: unknownId };
  return Object.fromEntries(
    Object.entries(named).map(([name, id]) => [name, id === undefined ? '' : tokenizer.token(id)]),
  );
}
