/**
 * Reading a prompt and continuing it: ours beside node-llama-cpp and transformers.js on the same weights, token ids and threads, each in a
 * process of its own, in turn. A side whose most probable tokens differ from ours at more than 4 of 32 places is not timed.
 */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { load } from '../src/index-node.ts';
import { fail } from './common.ts';
import { Side } from './side.ts';
import { nodeLlamaCpp, transformersJs } from './stream/install.ts';
import { type Line, report } from './stream/report.ts';
import type { Arguments, Reply, Request } from './stream/serve.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: '' },
    threads: { type: 'string', default: '2' },
    repeat: { type: 'string', default: '5' },
    starts: { type: 'string', default: '3' },
    tokens: { type: 'string', default: '256,1024' },
    steps: { type: 'string', default: '32' },
    text: { type: 'string', default: join(process.env.SINKLAB_BENCH ?? 'bench', '../LICENSE') },
    weights: { type: 'string', default: 'stored' },
    'node-llama-cpp': { type: 'string', default: '3.22.1' },
    'transformers-js': { type: 'string', default: '4.3.1' },
    onnx: { type: 'string', default: process.env.SINKLAB_BENCH_ONNX ?? '' },
    'onnx-weights': { type: 'string', default: 'q8' },
    'any-text': { type: 'boolean', default: false },
    save: { type: 'string', default: '' },
  },
});
const whole = (name: 'threads' | 'repeat' | 'starts' | 'steps', text = values[name]) =>
  /^[1-9]\d*$/.test(text) ? Number(text) : fail(`--${name}: expected a whole number from 1, got "${text}"`);
const [threads, repeat, starts, steps] = [whole('threads'), whole('repeat'), whole('starts'), whole('steps')];
const lengths = values.tokens.split(',').map(Number);
if (!lengths.every((length) => Number.isInteger(length) && length > steps))
  fail(`--tokens: expected whole numbers above --steps (${steps}), got "${values.tokens}"`);
if (!values.model.endsWith('.gguf')) fail(`--model: expected a GGUF file, got "${values.model}"`);
const prompt = 'Far out at sea, where the water is as blue as the petals of the loveliest cornflower,';
const follows = 32;
const fewest = 28;

/** A library and how its processes are started. */
interface Entrant {
  readonly name: string;
  readonly start: () => Side;
}
const here = dirname(fileURLToPath(import.meta.url));
function entrant(name: string, program: string, more: Partial<Arguments>): Entrant {
  const given: Arguments = {
    ...{ model: resolve(values.model), threads, weights: '', folder: '' },
    ...{ capacity: Math.max(...lengths, 64) + 1 },
    ...more,
  };
  const args = ['--expose-gc', join(here, 'stream', `${program}.mjs`), JSON.stringify(given)];
  return { name, start: () => new Side(name, process.execPath, args) };
}

function entrants(): Entrant[] {
  const found = values.weights
    .split(',')
    .map((weights, i) => entrant(i === 0 ? 'Sinklab' : `Sinklab ${weights}`, 'sinklab', { weights }));
  const cache = join(here, '../bench-packages');
  const add = (name: string, program: string, more: () => Partial<Arguments>[]) => {
    try {
      for (const each of more())
        found.push(entrant(each.weights === undefined ? name : `${name} ${each.weights}`, program, each));
    } catch (error) {
      console.error(`${name} is left out: ${(error as Error).message}`);
    }
  };
  add('node-llama-cpp', 'node-llama-cpp', () => [{ folder: nodeLlamaCpp(cache, values['node-llama-cpp']) }]);
  add('transformers.js', 'transformers-js', () => {
    if (values.onnx === '') throw new Error('no --onnx FOLDER; bench/python/export_onnx.py makes one');
    const folder = transformersJs(cache, values['transformers-js']);
    return values['onnx-weights'].split(',').map((weights) => ({ folder, weights, model: resolve(values.onnx) }));
  });
  return found;
}

const lines: Line[] = [];
/** Each run is written as it comes, so that a run that is cut short leaves what it had. */
function record(line: Line): void {
  lines.push(line);
  if (values.save !== '') appendFileSync(values.save, `${JSON.stringify(line)}\n`);
}
const mean = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0) / numbers.length;
const ask = (side: Side, request: Request) => side.ask<Reply>(request);

async function timed(side: Side, measure: string, turn: number, request: Request, per: (reply: Reply) => number) {
  // Threads that still wait for work after a side's turn go to sleep.
  await setTimeout(100);
  const reply = await ask(side, request);
  const { peakBytes, residentBytes } = reply;
  record({
    ...{ side: side.name, measure, tokens: request.ids.length, turn, seconds: per(reply) },
    ...{ peakBytes, residentBytes },
  });
}

/** The ids that are timed, and those whose continuation is compared. */
async function readTexts() {
  const model = await load(values.model, { tokenizer: 'needed', threads });
  const { tokenizer } = model;
  const stored = tokenizer!.encode(readFileSync(values.text, 'utf8'));
  const found = { stored, prompt: tokenizer!.encode(prompt) };
  await model.dispose();
  // Every process finds the file in memory, the first one too.
  readFileSync(values.model);
  return found;
}

/** The sides that continue a text as ours does, ours first. */
async function agreeing(sides: readonly Side[], ids: readonly number[]): Promise<Side[]> {
  const { tokens } = await ask(sides[0]!, { kind: 'follow', ids, count: follows });
  const found = sides.slice(0, 1);
  for (const side of sides.slice(1)) {
    const theirs = (await ask(side, { kind: 'follow', ids, count: follows, after: tokens })).tokens;
    const same = theirs.filter((token, i) => token === tokens[i]).length;
    const first = theirs.findIndex((token, i) => token !== tokens[i]);
    const timed = same >= fewest || values['any-text'];
    console.error(
      `${side.name}: the most probable token is ours at ${same} of ${follows} places, the greedy text is ours for ` +
        `${first < 0 ? follows : first} tokens${timed ? '' : `: not timed, since at least ${fewest} are expected`}`,
    );
    if (timed) found.push(side);
    else side.close();
  }
  return found;
}

async function main(): Promise<void> {
  const busy = loadavg()[0]!;
  if (busy > 0.5) console.error(`the machine is busy (load ${busy.toFixed(1)}): times will mean little`);
  if (values.save !== '') writeFileSync(values.save, '');
  const { stored, prompt: start } = await readTexts();
  const textOf = (length: number) => Array.from({ length }, (_, i) => stored[i % stored.length]!);
  const found = entrants();
  let sides: Side[] = [];
  try {
    for (let turn = 0; turn < starts; turn++) {
      for (const side of sides) side.close();
      sides = [];
      for (const { start: begin } of found) {
        const side = begin();
        sides.push(side);
        await side.open();
        const { loadSeconds } = side.ready!;
        const none = { peakBytes: 0, residentBytes: 0 };
        record({ side: side.name, measure: 'load', tokens: 0, turn, seconds: loadSeconds, ...none });
        await timed(side, 'first', turn, { kind: 'prefill', ids: textOf(lengths[0]!) }, ({ seconds }) => seconds[0]!);
      }
    }
    sides = await agreeing(sides, start);
    for (let turn = -1; turn < repeat; turn++)
      for (const length of lengths) {
        const ids = textOf(length);
        // Every other turn begins at the other end. The turn before the first is not counted.
        const order = turn % 2 === 0 ? sides : sides.toReversed();
        const measure = (name: string) => (turn < 0 ? `${name}, not counted` : name);
        for (const side of order)
          await timed(side, measure('prefill'), turn, { kind: 'prefill', ids }, ({ seconds }) => seconds[0]!);
        for (const side of order)
          await timed(side, measure('decode'), turn, { kind: 'decode', ids, steps }, ({ seconds }) => mean(seconds));
      }
    console.log(report({ sides, lines, lengths, threads, repeat }));
  } finally {
    for (const side of sides) side.close();
  }
}

try {
  await main();
} catch (error) {
  fail((error as Error).message);
}
process.exit(0);
