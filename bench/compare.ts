/**
 * Ours beside transformers and TransformerLens in one run: the same checkpoint, ids and threads, each mode in a process of its own,
 * runs of all sides in turn. Refuses to time sides whose attention received differs by more than 1e-4.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fail, median, megabytes, options, readIds, table } from './common.ts';
import { Side } from './side.ts';

const given = options();
const count = readIds(given.ids, given.tokens).length;
const common = ['--ids', given.ids!, '--tokens', String(count), '--threads', String(given.threads)];
const folder = mkdtempSync(join(tmpdir(), 'sinklab-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const say = (text: string) => console.error(text);

function ours(mode: string, ...more: string[]): Side {
  const program = join(dirname(fileURLToPath(import.meta.url)), 'ours.mjs');
  return new Side(`ours ${mode}`, process.execPath, [
    program,
    '--model',
    given.model,
    '--mode',
    mode,
    ...common,
    ...more,
  ]);
}

/** The interpreter that has a library, of those given. */
const withLibrary = (library: string) =>
  given.python.find((python) => spawnSync(python, ['-c', `import ${library}`]).status === 0);
const interpreters = new Map<string, string>();
const lens = given.python.length > 0 ? withLibrary('transformer_lens') : undefined;
const plain = given.python
  .filter((python) => python !== lens)
  .concat(lens ?? [])
  .find((python) => spawnSync(python, ['-c', 'import transformers, torch']).status === 0);
if (plain) interpreters.set('transformers', plain);
if (lens) interpreters.set('transformer_lens', lens);

function theirs(library: string, mode: string, ...more: string[]): Side[] {
  const python = interpreters.get(library);
  const script = join(process.env.SINKLAB_BENCH!, 'python', `${library}_bench.py`);
  const args = [script, given.model, '--mode', mode, '--serve', ...common, ...more];
  return python ? [new Side(`${library} ${mode}`, python, args)] : [];
}

for (const library of ['transformers', 'transformer_lens'])
  if (!interpreters.has(library)) say(`${library} is not timed: no --python has it`);

const reducing = (['ours', 'transformers', 'transformer_lens'] as const).filter(
  (side) => side === 'ours' || interpreters.has(side),
);
const saved = (side: string) => join(folder, `${side}.f32`);
const start: (() => Side[])[] = [
  () => [ours('forward')],
  () => [ours('layers')],
  () => theirs('transformers', 'forward'),
  () => theirs('transformer_lens', 'forward'),
  () => [ours('received', '--save', saved('ours'))],
  () => [ours('streamed')],
  () => [ours('all')],
  () => theirs('transformers', 'reduce', '--save', saved('transformers')),
  () => theirs('transformer_lens', 'reduce', '--save', saved('transformer_lens')),
  () => [ours('capture')],
  () => theirs('transformers', 'capture'),
  () => theirs('transformer_lens', 'capture'),
  () => theirs('transformer_lens', 'run_with_cache'),
];
const sides: Side[] = [];
process.on('exit', () => {
  for (const side of sides) side.close();
});
for (const begin of start)
  for (const side of begin()) {
    sides.push(side);
    await side.open();
    say(
      `${side.name}: loaded in ${side.ready!.loadSeconds.toFixed(2)} s, first run ${side.ready!.firstSeconds.toFixed(2)} s`,
    );
  }

const values = reducing.map((side) => {
  const bytes = readFileSync(saved(side));
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
});
const differences = values.slice(1).map((other) => {
  if (other.length !== values[0]!.length)
    fail(`attention received has ${values[0]!.length} and ${other.length} values`);
  return other.reduce((most, value, i) => Math.max(most, Math.abs(value - values[0]![i]!)), 0);
});
for (const [i, difference] of differences.entries())
  say(
    `attention received, ${values[0]!.length} values, ours and ${reducing[i + 1]}: largest difference ${difference.toExponential(1)}`,
  );
if (!differences.every((difference) => difference <= 1e-4)) fail('the sides do not agree: nothing is timed');

for (let turn = 0; turn < given.repeat; turn++) for (const side of sides) await side.run();

const results = sides.map(({ name, ready, runs }) => {
  const times = runs.map(({ seconds }) => seconds);
  const middle = median(times);
  const spread = { minimum: Math.min(...times), maximum: Math.max(...times) };
  const peak = Math.max(...runs.map(({ peakBytes }) => peakBytes));
  return { name, ...ready, median: middle, ...spread, tokensPerSecond: count / middle, peakBytes: peak };
});
const of = (name: string) => results.find((result) => result.name === name);
type Aim = readonly [what: string, a: string, b: string, by: 'median' | 'minimum' | 'peakBytes', most: number];
const aims: readonly Aim[] = [
  ['attention received / forward, whole graph', 'ours received', 'ours forward', 'median', 1.1],
  ['attention received / forward, layer by layer', 'ours received', 'ours layers', 'median', 1.1],
  ['all measurements / forward, whole graph', 'ours all', 'ours forward', 'median', 1.7],
  ['all measurements / forward, layer by layer', 'ours all', 'ours layers', 'median', 1.7],
  ['attention received / run_with_cache, time', 'ours received', 'transformer_lens run_with_cache', 'median', 1 / 2.5],
  [
    'attention received / run_with_cache, memory',
    'ours received',
    'transformer_lens run_with_cache',
    'peakBytes',
    1 / 3,
  ],
  ['attention received / TransformerLens reducing', 'ours received', 'transformer_lens reduce', 'median', 1],
];
const judged = aims.flatMap(([what, a, b, by, most]) => {
  const [x, y] = [of(a), of(b)];
  if (!x || !y) return [];
  const least = by === 'median' ? { ofMinima: x.minimum / y.minimum } : {};
  return [{ what, ratio: x[by] / y[by], ...least, aim: most, holds: x[by] / y[by] <= most }];
});
if (given.json) {
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, threads: given.threads };
  console.log(
    JSON.stringify({ model: given.model, tokens: count, machine, differences, results, aims: judged }, null, 2),
  );
} else {
  const head = ['', 'median s', 'min', 'max', 'tokens/s', 'peak', 'load s', 'first run s'];
  const rows = results.map((r) => [
    r.name,
    ...[r.median, r.minimum, r.maximum].map((value) => value.toFixed(2)),
    r.tokensPerSecond.toFixed(0),
    megabytes(r.peakBytes),
    ...[r.loadSeconds ?? 0, r.firstSeconds ?? 0].map((value) => value.toFixed(2)),
  ]);
  console.log(`${count} tokens, ${given.threads} threads, median of ${given.repeat}\n${table([head, ...rows])}\n`);
  console.log(
    table([
      ['', 'ratio', 'of minima', 'aim at most', ''],
      ...judged.map(({ what, ratio, ofMinima, aim, holds }) => [
        what,
        ratio.toFixed(2),
        ofMinima?.toFixed(2) ?? '',
        aim.toFixed(2),
        holds ? 'holds' : 'fails',
      ]),
    ]),
  );
}
process.exit(0);
