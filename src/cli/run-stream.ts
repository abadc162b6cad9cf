import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { generate } from '../cache/generate.ts';
import { restoreStream, saveStream } from '../cache/save.ts';
import type { Stream } from '../cache/stream.ts';
import { CacheFullError, InputError } from '../error.ts';
import { escapeRunningText, escapeText } from '../report/escape.ts';
import { integer } from '../report/format.ts';
import { longestText, type StreamReport } from '../report/stream.schema.ts';
import { writeStreamJson } from '../report/stream-json.ts';
import { type CommandContext, writeJsonResult, writeTextFile } from './command.ts';
import { interruption } from './interruption.ts';
import { describeRun } from './open.ts';
import { type OpenedStream, openStream } from './open-stream.ts';
import { StatusLine } from './status-line.ts';
import { StreamMeter } from './stream-meter.ts';
import { type StreamFlags, samplerOf } from './stream-options.ts';
import { type PromptFlags, streamPrompt } from './stream-prompt.ts';
import { Progress, plainBytes } from './terminal.ts';
import { version } from './version.ts';

/** What `sinklab stream` was given. */
export interface RunStreamFlags extends StreamFlags, PromptFlags {
  readonly stopAtEos?: boolean;
  readonly save?: string;
  readonly json?: string | true;
}

/** Milliseconds to save and report after Ctrl-C. */
const patience = 20_000;

/** Generates until it is told to stop: text on standard output, how it stands on standard error. Loaded when the command runs. */
export async function runStream(
  name: string | undefined,
  flags: RunStreamFlags,
  context: CommandContext,
): Promise<void> {
  const { terminal, signal } = context;
  if (flags.save !== undefined) await haveFolder(flags.save);
  const made = await openStream(name, flags, context);
  await using model = made.opened.model;
  await using stream = made.stream;
  const before = interruption.patience;
  interruption.patience = patience;
  try {
    if (flags.resume !== undefined) await resume(stream, flags.resume);
    const prompt = await streamPrompt(made, flags);
    const meter = new StreamMeter();
    let promptSeconds = 0;
    let ended: StreamReport['generated']['ended'] = 'interrupted';
    let text = { kept: '', cut: false };
    try {
      promptSeconds = await readPrompt(stream, prompt.ids, context);
      const shown = flags.json === true ? () => {} : terminal.out;
      ({ ended, text } = await write(made, prompt.ids, flags, meter, shown, context));
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    terminal.err(`${summary(stream, meter, ended)}\n`);
    if (flags.save !== undefined) {
      await writeTextFile('--save', flags.save, await saveStream(stream));
      terminal.err(`wrote ${flags.save}\n`);
    }
    const report = (): StreamReport => ({
      ...settings(made, flags),
      prompt: {
        ...{ source: prompt.source, tokens: prompt.ids.length, system: made.system.length },
        resumed: flags.resume !== undefined,
      },
      generated: { tokens: meter.tokens, ended, loss: meter.loss ?? null, text: text.kept, textCut: text.cut },
      speed: { promptSeconds, seconds: meter.seconds, tokensPerSecond: meter.tokensPerSecond },
      curve: meter.curve,
      cache: { read: stream.lengths[0]!, entries: stream.kept().length, bytes: stream.cache.bytes },
      provenance: { ...describeRun(model), node: process.versions.node },
    });
    await writeJsonResult(flags.json, () => writeStreamJson(report()), context);
    if (ended === 'interrupted') context.exitCode = 130;
  } finally {
    interruption.patience = before;
  }
}

async function readPrompt(stream: Stream, ids: readonly number[], { terminal, signal }: CommandContext) {
  const progress = new Progress(terminal);
  const began = performance.now();
  await stream
    .read(ids, {
      signal,
      progress: (read, total) => progress.show(`reading ${integer(total)} tokens`, read / total),
    })
    .finally(() => progress.clear());
  return (performance.now() - began) / 1000;
}

/** Generates, and shows text as it comes. Gives what there is when it is interrupted. */
async function write(
  { opened, stream }: OpenedStream,
  ids: readonly number[],
  flags: RunStreamFlags,
  meter: StreamMeter,
  out: (text: string) => void,
  { terminal, signal }: CommandContext,
) {
  const line = new StatusLine(terminal);
  const { tokenizer } = opened.model;
  let ended: StreamReport['generated']['ended'] = 'interrupted';
  const text = { kept: '', cut: false };
  let last = '';
  let then = performance.now();
  const options = {
    ...{ maxTokens: flags.maxTokens, stop: flags.stop, ignoreEos: flags.stopAtEos !== true },
    ...{ sampler: samplerOf(flags), before: [ids], signal },
  };
  try {
    for await (const token of generate(stream, options)) {
      const piece = tokenizer ? token.text : `${token.id} `;
      const now = performance.now();
      if (token.ended !== 'stop id') meter.add(now - then, token.logProbability);
      then = now;
      line.clear();
      if (piece !== '') {
        out(escapeRunningText(piece));
        last = piece;
      }
      if (terminal.live) line.show(stands(stream, meter));
      const room = longestText - text.kept.length;
      text.cut ||= piece.length > room;
      if (flags.json !== undefined && room > 0) text.kept += piece.slice(0, room);
      if (token.ended) ended = token.ended;
    }
  } catch (error) {
    if (error instanceof CacheFullError) {
      ended = 'cache full';
      line.clear();
      terminal.err(`\n${escapeText(error.message)}\n`);
    } else if (!signal.aborted) throw error;
  } finally {
    line.clear();
    if (last !== '' && !last.endsWith('\n')) out('\n');
  }
  return { ended, text };
}

const stands = (stream: Stream, { tokens, tokensPerSecond }: StreamMeter) =>
  `${integer(tokens)} tokens, ${tokensPerSecond.toFixed(1)} tokens/s, ${integer(stream.kept().length)} entries, ${plainBytes(stream.cache.bytes)}`;

function summary(stream: Stream, meter: StreamMeter, ended: StreamReport['generated']['ended']): string {
  const why = {
    'max tokens': '--max-tokens',
    'stop string': '--stop',
    'stop id': 'EOS',
    'cache full': 'the room of the cache',
    interrupted: 'Ctrl-C',
  }[ended];
  const { curve, loss } = meter;
  const [early, late] = [curve[0], curve.at(-1)];
  const pace =
    early && late && early !== late
      ? `; ${early.milliseconds.toFixed(1)} ms a token in the first ${early.tokens}, ${late.milliseconds.toFixed(1)} in the last ${late.tokens}`
      : '';
  const mean = loss === undefined ? '' : `; mean −log p ${loss.toFixed(3)}`;
  return `ended by ${why} after ${stands(stream, meter)}${pace}${mean}`;
}

function settings({ opened, stream, file }: OpenedStream, flags: RunStreamFlags) {
  const { name, source, keeps, decides, positions } = stream.policy;
  const { temperature = 0, topK, topP, minP, repetitionPenalty, seed } = flags;
  const { decoder, parameters } = opened.model;
  return {
    ...{ format: 'sinklab.stream/1' as const, sinklab: version },
    model: { source: opened.resolved.source, family: decoder.family, parameters },
    policy: { name: file.name, title: name, source, keeps, decides, positions, capacity: flags.capacity },
    weights: flags.weights,
    sampler: {
      ...{ temperature, topK: topK ?? null, topP: topP ?? 1, minP: minP ?? 0 },
      ...{ repetitionPenalty: repetitionPenalty ?? 1, seed },
    },
  };
}

async function resume(stream: Stream, path: string): Promise<void> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InputError(
      `--resume ${path}: ${code === 'ENOENT' ? 'no such file' : `cannot be read (${code ?? error})`}`,
    );
  }
  await restoreStream(stream, bytes, path);
}

/** Said before hours of work rather than after them. */
async function haveFolder(path: string): Promise<void> {
  const folder = dirname(resolve(path));
  if (!(await stat(folder).catch(() => undefined))?.isDirectory())
    throw new InputError(`--save ${path}: there is no folder ${folder}`);
}
