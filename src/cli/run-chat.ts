import { createInterface, type Interface } from 'node:readline';
import { LoadError } from '../error.ts';
import { escapeRunningText, escapeText } from '../report/escape.ts';
import { integer, ranges } from '../report/format.ts';
import type { CommandContext } from './command.ts';
import { Conversation } from './conversation.ts';
import { interruption } from './interruption.ts';
import { openStream } from './open-stream.ts';
import { type StreamFlags, samplerOf } from './stream-options.ts';
import { plainBytes } from './terminal.ts';

/** What `sinklab chat` was given. */
export interface RunChatFlags extends StreamFlags {
  readonly maxTokens: number;
}

const help = `/kept   what the cache still keeps of the conversation
/reset  forgets it and begins anew
/quit   leaves (Ctrl-D too); Ctrl-C stops an answer, and leaves where there is none
//…     a message that begins with /
`;

/** A conversation without end: answers on standard output, everything else on standard error. Loaded when the command runs. */
export async function runChat(name: string | undefined, flags: RunChatFlags, context: CommandContext): Promise<void> {
  const { terminal, signal } = context;
  const made = await openStream(name, flags, context, 'needed');
  await using _model = made.opened.model;
  await using stream = made.stream;
  const { system, maxTokens, stop } = flags;
  const options = { sampler: samplerOf(flags), ...{ system, maxTokens, stop } };
  const conversation = new Conversation(stream, made.opened.tokenizer(), options);
  if (!conversation.turns.appends)
    terminal.err(
      'this chat template rewrites earlier turns, so that a new one cannot be appended: the whole conversation is read again at each turn\n',
    );
  const input = terminal.input ?? process.stdin;
  const asks = input.isTTY === true;
  const lines = createInterface({ input, ...(asks ? { output: process.stderr, prompt: '> ' } : {}), terminal: asks });
  let answering: AbortController | undefined;
  /** Stops the answer under way, if there is one. */
  const stopAnswer = () => {
    answering?.abort();
    return answering !== undefined;
  };
  const leave = () => {
    context.exitCode = 130;
    lines.close();
  };
  lines.on('SIGINT', () => {
    if (!stopAnswer()) leave();
  });
  interruption.answer = stopAnswer;
  signal.addEventListener('abort', leave);
  try {
    if (asks) terminal.err('/help says what there is beside talking\n');
    prompt(lines, asks);
    for await (const line of lines) {
      const message = line.trim();
      if (message === '/quit') break;
      if (message.startsWith('/') && !message.startsWith('//')) terminal.err(command(message, conversation));
      else if (message !== '') {
        answering = new AbortController();
        await answer(conversation, message.replace(/^\/\//, '/'), signal, answering.signal, context).finally(() => {
          answering = undefined;
        });
      }
      prompt(lines, asks);
    }
  } finally {
    interruption.answer = undefined;
    signal.removeEventListener('abort', leave);
    lines.close();
  }
}

const prompt = (lines: Interface, asks: boolean) => {
  if (asks) lines.prompt();
};

async function answer(
  conversation: Conversation,
  message: string,
  signal: AbortSignal,
  interrupted: AbortSignal,
  { terminal }: CommandContext,
): Promise<void> {
  const { stream } = conversation;
  const began = performance.now();
  let first: number | undefined;
  const before = stream.lengths[0]!;
  let read = before;
  let last = '';
  try {
    for await (const text of conversation.say(message, signal, interrupted)) {
      if (first === undefined) [first, read] = [performance.now(), stream.lengths[0]!];
      terminal.out(escapeRunningText(text));
      last = text;
    }
  } catch (error) {
    // A message that the template cannot take ends no conversation.
    if (!(error instanceof LoadError)) throw error;
    terminal.err(`sinklab: ${escapeText(error.message)}\n`);
    return;
  }
  if (!last.endsWith('\n')) terminal.out('\n');
  if (interrupted.aborted) terminal.err('(stopped)\n');
  if (!terminal.live) return;
  const tokens = stream.lengths[0]! - read;
  const pace = tokens / ((performance.now() - (first ?? began)) / 1000);
  const stand = `${integer(stream.lengths[0]! - before)} tokens, ${pace.toFixed(1)} tokens/s, ${integer(stream.kept().length)} entries of ${integer(stream.lengths[0]!)} tokens, ${plainBytes(stream.cache.bytes)}`;
  terminal.err(`${terminal.paint.style.dim(stand)}\n`);
}

/** Does what a line with / asks for, and gives what there is to say. */
function command(line: string, conversation: Conversation): string {
  if (line === '/help') return help;
  if (line === '/kept') return keptText(conversation);
  if (line !== '/reset') return `there is no ${escapeText(line.split(/\s/)[0]!)}; /help says what there is\n`;
  conversation.reset();
  return 'the conversation begins anew\n';
}

/** How much of the kept text is shown of each end. */
const shown = 300;

function keptText({ stream, kept }: Conversation): string {
  const { indices, pins, pinned, rest } = kept;
  if (indices.length === 0) return 'nothing has been read\n';
  const { layout } = stream.cache.tables[0]!;
  const own = stream.cache.tables.length > 1 || layout.heads !== undefined;
  const middle = rest.length > 2 * shown ? `${rest.slice(0, shown)} … ${rest.slice(-shown)}` : rest;
  const lines = [
    `${integer(indices.length)} of ${integer(stream.lengths[0]!)} tokens are kept${own ? " (by the first layer's first head)" : ''}: ${ranges(indices)}`,
    ...(pins > 0 ? [`pinned (${pins}): ${visible(pinned)}`] : []),
    `${pins > 0 ? 'the rest' : 'text'}: ${visible(middle)}`,
  ];
  return `${lines.join('\n')}\n`;
}

const visible = (text: string) => text.split('\n').map(escapeText).join('↵');
