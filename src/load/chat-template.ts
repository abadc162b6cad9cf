import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';
import { z } from 'zod';
import { InputError, LoadError, SinklabError } from '../error.ts';
import { withTimeLimit } from './time-limit.ts';

export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

export interface ChatOptions {
  /** Ends the text with the head of the model's answer; default true. */
  readonly addGenerationPrompt?: boolean;
  /** Texts of special tokens that templates refer to, such as `bos_token`. */
  readonly specialTokens?: Readonly<Record<string, string>>;
  /** Milliseconds; default 2000. */
  readonly timeLimit?: number;
}

export interface RenderedChat {
  readonly text: string;
  /** [start, end) of each message's content in `text`, in UTF-16 units; absent where the template rewrites contents. */
  readonly contents?: readonly (readonly [number, number])[];
}

const MAXIMUM = { template: 1_000_000, messages: 10_000, output: 4_000_000, list: 100_000, work: 100_000_000 };

const messagesSchema = z
  .array(z.strictObject({ role: z.string().min(1).max(64), content: z.string().max(MAXIMUM.output) }))
  .min(1)
  .max(MAXIMUM.messages);

/**
 * Chat messages from JSON text or a parsed value: a list of `{ "role": …, "content": … }`.
 * @throws InputError naming the first field that does not fit.
 */
export function parseMessages(json: unknown): ChatMessage[] {
  let value = json;
  if (typeof json === 'string') {
    try {
      value = JSON.parse(json);
    } catch (error) {
      throw new InputError(
        `messages: not JSON (${(error as Error).message.slice(0, 100)}); expected [{"role": "user", "content": "…"}]`,
      );
    }
  }
  const parsed = messagesSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new InputError(
    `messages${issue.path.length > 0 ? `, ${issue.path.join('.')}` : ''}: ${issue.message}; expected [{"role": "user", "content": "…"}]`,
  );
}

/**
 * Writes chat messages as the model's template wants them. A template that asks for today's date is told 2025-01-01, so that the
 * same messages give the same text on every day.
 *
 * The template is untrusted: it runs on an interpreter without access to anything, with limits on time, on the size of every
 * value and on the sum of all work.
 *
 * @throws InputError when there is no template, LoadError when it fails, refuses the messages or exceeds a limit.
 */
export function renderChat(
  template: string | undefined,
  messages: readonly ChatMessage[],
  options: ChatOptions = {},
): RenderedChat {
  if (template === undefined) {
    throw new InputError(
      'messages: this model has no chat template; give plain text with --text or --file, or use an instruction-tuned model',
    );
  }
  const text = render(template, messages, options);
  const contents = findContents(template, messages, options, text);
  return { text, ...(contents !== undefined && { contents }) };
}

function render(template: string, messages: readonly ChatMessage[], options: ChatOptions): string {
  if (template.length > MAXIMUM.template) {
    throw new LoadError(`chat template: ${template.length} characters, at most ${MAXIMUM.template} are read`);
  }
  try {
    return withTimeLimit('chat template', options.timeLimit ?? 2_000, () => {
      const program = parse(tokenize(template, { lstrip_blocks: true, trim_blocks: true }));
      const globals = environment({
        ...options.specialTokens,
        messages: messages.map(({ role, content }) => ({ role, content })),
        add_generation_prompt: options.addGenerationPrompt ?? true,
      });
      return String(new BoundedInterpreter(globals).run(program).value);
    });
  } catch (error) {
    if (error instanceof SinklabError) throw error;
    const reason = (error instanceof Error ? error.message : String(error)).slice(0, 300);
    throw new LoadError(`chat template: cannot be applied to these messages (${reason}); check their roles and order`);
  }
}

function environment(variables: Record<string, unknown>): Environment {
  const result = new Environment();
  const globals: Record<string, unknown> = {
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
    raise_exception: (message: unknown) => {
      throw new Error(String(message));
    },
    strftime_now: (format: unknown) => String(format).replace(/%([YmdBbHM%])/g, (_, key: string) => DAY[key] ?? ''),
    range,
    ...variables,
  };
  for (const [name, value] of Object.entries(globals)) result.set(name, value);
  return result;
}

const DAY: Readonly<Record<string, string>> = {
  Y: '2025',
  m: '01',
  d: '01',
  B: 'January',
  b: 'Jan',
  H: '00',
  M: '00',
  '%': '%',
};

function range(first: unknown, second?: unknown, third?: unknown): number[] {
  const [start, stop] = typeof second === 'number' ? [Number(first), second] : [0, Number(first)];
  const step = typeof third === 'number' ? third : 1;
  const count = step === 0 ? Number.NaN : Math.max(0, Math.ceil((stop - start) / step));
  if (!(count <= MAXIMUM.list))
    throw new LoadError(`chat template: range(${start}, ${stop}, ${step}) is over ${MAXIMUM.list} entries`);
  return Array.from({ length: count }, (_, index) => start + index * step);
}

// The package's declarations do not resolve under NodeNext: what is used of it, said here.
interface Evaluating {
  evaluate(statement: unknown, environment: unknown): { value: unknown };
  run(program: unknown): { value: unknown };
}
const LibraryInterpreter = Interpreter as unknown as new (environment: unknown) => Evaluating;

/** Counts every evaluation and the size of every value it gives, so that loops and doublings end early, in the page too. */
class BoundedInterpreter extends LibraryInterpreter {
  private work = 0;

  override evaluate(statement: unknown, environment: unknown): { value: unknown } {
    this.spend(16);
    const result = super.evaluate(statement, environment);
    const { value } = result;
    if (typeof value === 'string') {
      if (value.length > MAXIMUM.output)
        throw new LoadError(`chat template: writes over ${MAXIMUM.output} characters; shorten the messages`);
      this.spend(value.length / 8);
    } else if (Array.isArray(value)) {
      if (value.length > MAXIMUM.list)
        throw new LoadError(`chat template: makes a list of over ${MAXIMUM.list} entries`);
      this.spend(value.length * 8);
    }
    return result;
  }

  private spend(amount: number): void {
    this.work += amount;
    if (this.work > MAXIMUM.work)
      throw new LoadError('chat template: does too much work; use another copy of the model');
  }
}

/** Renders once more with a mark in place of each content: what lies between the marks is the template's own text. */
function findContents(
  template: string,
  messages: readonly ChatMessage[],
  options: ChatOptions,
  text: string,
): [number, number][] | undefined {
  const mark = (index: number) => `\u{e000}${index}\u{e001}`;
  let rest: string;
  try {
    rest = render(
      template,
      messages.map(({ role }, index) => ({ role, content: mark(index) })),
      options,
    );
  } catch {
    return undefined;
  }
  const spans: [number, number][] = [];
  let position = 0;
  for (const [index, { content }] of messages.entries()) {
    const at = rest.indexOf(mark(index));
    if (at < 0 || !text.startsWith(rest.slice(0, at), position)) return undefined;
    position += at;
    rest = rest.slice(at + mark(index).length);
    const written = [content, content.trim()].find((candidate) => text.startsWith(candidate, position));
    if (written === undefined) return undefined;
    spans.push([position, position + written.length]);
    position += written.length;
  }
  return text.slice(position) === rest ? spans : undefined;
}
