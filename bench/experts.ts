/**
 * One mixture of experts: evaluated where tokens chose them, beside every expert on every token, and beside a plain feed-forward part as wide
 * as the experts that a token uses, which does the same number of products. Runs of all three in turn, each in a process of its own.
 * Nothing is timed when the first two differ by more than 1e-5.
 */
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { allExperts, type Choice, chosenExperts, type Router } from '../src/models/parts/chosen-experts.ts';
import { gatedMlp } from '../src/models/parts/mlp.ts';
import { expert, expertNames, softmaxShares } from '../src/models/parts/routed-experts.ts';
import { normal, seededRandom, seedFor } from '../src/random.ts';
import { nodeRuntime } from '../src/runtime/node.ts';
import { dot, input, lower, weight } from '../src/tensor/index.ts';
import { fail, median, megabytes, peakBytes, seconds, table } from './common.ts';
import { Side } from './side.ts';

const { values } = parseArgs({
  options: {
    experts: { type: 'string', default: '8:2,32:4' },
    width: { type: 'string', default: '512:1024' },
    tokens: { type: 'string', default: '1,1000' },
    weights: { type: 'string', default: 'held' },
    threads: { type: 'string', default: '2' },
    repeat: { type: 'string', default: '7' },
    mode: { type: 'string', default: '' },
  },
});
const whole = (text: string | undefined) =>
  /^[1-9]\d*$/.test(text ?? '') ? Number(text) : fail(`expected whole numbers from 1, got "${text}"`);
const pair = (text: string): [number, number] => {
  const [a, b, ...more] = text.split(':');
  return more.length === 0 ? [whole(a), whole(b)] : fail(`expected two numbers as in 8:2, got "${text}"`);
};
const [M, F] = pair(values.width);
const lengths = values.tokens.split(',').map(whole);
const forms = ['where chosen', 'every expert', 'plain'] as const;

/** One form in a process of its own: runs a text of so many tokens for each line of standard input. */
async function serve(form: string, [E, K]: [number, number]): Promise<void> {
  const started = performance.now();
  const x = input('x', { B: 'B', T: 'T', M });
  const route = softmaxShares(K, true);
  const mixture = (evaluate: typeof chosenExperts) => {
    const choice: Choice = route(dot(x, weight('router', { E, M }), 'M') as Router);
    return evaluate(x, choice, E, (rows, e) => expert(rows, expertNames(`${e}`), { M, F }, 'silu'));
  };
  const plain = () =>
    gatedMlp((name) => name, { M, F: K * F }, 'silu')(x, ((_: string, value: unknown) => value) as never);
  const value = form === 'plain' ? plain() : mixture(form === 'where chosen' ? chosenExperts : allExperts);
  const outputs = { y: { value, order: ['B', 'T', 'M'] } };
  const { weights } = lower(outputs, { weights: 'inputs' });
  const held = new Map<string, Float32Array>();
  for (const { weight: name, shape } of weights) {
    const random = normal(seededRandom(seedFor(0, name)));
    const columns = shape[1]!;
    held.set(
      name,
      Float32Array.from({ length: shape[0]! * columns }, () => random() / Math.sqrt(columns)),
    );
  }
  const runtime = nodeRuntime({ threads: whole(values.threads) });
  const weightData = new Map([...held].map(([name, data]) => [name, new Uint8Array(data.buffer)] as const));
  const storage = (name: string) =>
    ({ type: 'float32', location: name, offset: 0, length: held.get(name)!.byteLength }) as const;
  const program =
    values.weights === 'fed'
      ? await runtime.compile(lower(outputs, { weights: 'inputs' }))
      : await runtime.compile(lower(outputs, { weights: storage }), { weightData });
  const fed = program.graph.weights.map(({ input: name, weight, shape }) => [
    name,
    { type: 'float32' as const, shape, data: held.get(weight)!, reused: true },
  ]);
  const random = normal(seededRandom(seedFor(0, 'x')));
  const feeds = lengths.map((T) => ({
    ...Object.fromEntries(fed),
    x: { type: 'float32' as const, shape: [1, T, M], data: Float32Array.from({ length: T * M }, random) },
  }));
  const loadSeconds = (performance.now() - started) / 1000;
  const sample: number[] = [];
  const firstSeconds = await seconds(async () => {
    for (const one of feeds) {
      const { y } = await program.run(one);
      const { length } = y!.data;
      for (let i = 0; i < length; i += Math.max(1, length >> 7)) sample.push(Number(y!.data[i]));
    }
  });
  console.log(JSON.stringify({ loadSeconds, firstSeconds, version: JSON.stringify(sample) }));
  for await (const line of createInterface({ input: process.stdin })) {
    const { which } = JSON.parse(line) as { which: number };
    // Several at once: the first after a pause is slower.
    const runs = Math.max(4, Math.floor(100 / lengths[which]!));
    const time = await seconds(async () => {
      for (let i = 0; i < runs; i++) await program.run(feeds[which]!);
    });
    console.log(JSON.stringify({ seconds: time / runs, peakBytes: peakBytes() }));
  }
  process.exit(0);
}

async function compare(experts: string): Promise<void> {
  const own = (form: string) => [
    ...[fileURLToPath(import.meta.url), '--mode', form, '--experts', experts, '--width', values.width],
    ...['--tokens', values.tokens, '--weights', values.weights, '--threads', values.threads],
  ];
  const sides = forms.map((form) => new Side(form, process.execPath, own(form)));
  try {
    for (const side of sides) await side.open();
    const [chosen, every] = sides.map(({ ready }) => JSON.parse(ready!.version!) as number[]);
    const worst = Math.max(...chosen!.map((y, i) => Math.abs(y - every![i]!) / Math.max(1, Math.abs(y))));
    if (!(worst <= 1e-5)) throw new Error(`the two forms differ by ${worst}: nothing is timed`);
    const [E, K] = pair(experts);
    console.error(`${E} experts, ${K} chosen, M ${M}, F ${F}, weights ${values.weights}; the forms agree to ${worst}`);
    const rows: string[][] = [['', 'median ms', 'min ms', 'median / plain', 'min / plain', 'peak']];
    const peaks = new Map<string, number>();
    const timed = lengths.map(() => sides.map((): number[] => []));
    for (let turn = 0; turn < whole(values.repeat); turn++)
      for (const [which] of lengths.entries())
        for (const [i, side] of sides.entries()) {
          const one = await side.ask<{ seconds: number; peakBytes: number }>({ which });
          timed[which]![i]!.push(one.seconds);
          peaks.set(side.name, one.peakBytes);
        }
    for (const [which, T] of lengths.entries()) {
      const [middle, least] = [median, (all: readonly number[]) => Math.min(...all)].map((of) => timed[which]!.map(of));
      for (const [i, { name }] of sides.entries())
        rows.push([
          `${T} ${T === 1 ? 'token' : 'tokens'}, ${name}`,
          ...[(1000 * middle![i]!).toFixed(2), (1000 * least![i]!).toFixed(2)],
          ...[(middle![i]! / middle!.at(-1)!).toFixed(2), (least![i]! / least!.at(-1)!).toFixed(2)],
          megabytes(peaks.get(name)!),
        ]);
    }
    console.log(table(rows));
  } finally {
    for (const side of sides) side.close();
  }
}

if (!['held', 'fed'].includes(values.weights)) fail(`--weights: expected held or fed, got "${values.weights}"`);
if (values.mode !== '') await serve(values.mode, pair(values.experts));
else
  for (const experts of values.experts.split(','))
    try {
      await compare(experts);
    } catch (error) {
      fail((error as Error).message);
    }
process.exit(0);
