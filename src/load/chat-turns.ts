import { LoadError } from '../error.ts';
import { specialTokenTexts } from './chat-prompt.ts';
import { type ChatMessage, renderChat } from './chat-template.ts';
import type { Tokenizer } from './tokenizer.ts';

/** One exchange of a conversation. */
export interface Exchange {
  readonly user: string;
  readonly answer: string;
}

/** A conversation's text, piece by piece, as a model's chat template writes it. */
export interface ChatTurns {
  /** The system prompt alone; undefined without one, or where the template does not put it in front by itself. */
  readonly system: string | undefined;
  /**
   * Does every turn follow the text before it, whatever came earlier? If not (templates that rewrite earlier turns), the whole conversation
   * has to be read again at each turn.
   */
  readonly appends: boolean;
  /** From the start of the text to the head of the first answer. */
  opening(user: string): string;
  /** From the end of an answer to the head of the next: what is to be read for a new message, and nothing else. */
  following(user: string): string;
  /** All of a conversation to the head of the answer to the last message. */
  whole(exchanges: readonly Exchange[], user: string): string;
}

/** Stand for any exchange: what a template writes after an answer is found with these. */
const [first, second] = [
  { user: 'One?', answer: 'Yes, one.' },
  { user: 'Two?', answer: 'Two.' },
] as const;

/**
 * How a chat template continues a conversation. Templates are programs; whether this one only ever appends is tried out on three turns.
 * @throws InputError without a template; LoadError where the template fails or refuses a plain conversation.
 */
export function chatTurns(tokenizer: Tokenizer, system?: string): ChatTurns {
  const head: ChatMessage[] = system === undefined ? [] : [{ role: 'system', content: system }];
  const specialTokens = specialTokenTexts(tokenizer);
  const render = (messages: readonly ChatMessage[], addGenerationPrompt = true) =>
    renderChat(tokenizer.chatTemplate, messages, { addGenerationPrompt, specialTokens }).text;
  const whole = (exchanges: readonly Exchange[], user: string) =>
    render([
      ...head,
      ...exchanges.flatMap((one) => [
        { role: 'user', content: one.user },
        { role: 'assistant', content: one.answer },
      ]),
      { role: 'user', content: user },
    ]);
  const opening = (user: string) => whole([], user);
  /** The text after the opening, where it begins with the answer: white space in front of it, and what comes after it. */
  const after = (last: Exchange, user: string): { readonly gap: string; readonly rest: string } | undefined => {
    const [before, text] = [opening(last.user), whole([last], user)];
    const rest = text.slice(before.length);
    const at = rest.indexOf(last.answer);
    // Some templates write a space between the head of an answer and the answer, which models write themselves.
    if (!text.startsWith(before) || at < 0 || rest.slice(0, at).trim() !== '') return undefined;
    return { gap: rest.slice(0, at), rest: rest.slice(at + last.answer.length) };
  };
  const [one, two] = [after(first, second.user), after(second, 'Three?')];
  const appended = `${opening(first.user)}${one?.gap}${first.answer}${one?.rest}${two?.gap}${second.answer}${two?.rest}`;
  return {
    system: system === undefined ? undefined : systemAlone(() => render(head, false), opening(first.user)),
    appends: one !== undefined && appended === whole([first, second], 'Three?'),
    opening,
    following(user) {
      const found = after(first, user);
      if (found) return found.rest;
      throw new LoadError(
        'chat template: it writes earlier turns differently because of this message; word it otherwise',
      );
    },
    whole,
  };
}

/** The system prompt's own text, where the template takes it alone and the conversation begins with it. */
function systemAlone(render: () => string, opening: string): string | undefined {
  try {
    const text = render();
    return text !== '' && opening.startsWith(text) ? text : undefined;
  } catch {
    return undefined;
  }
}
