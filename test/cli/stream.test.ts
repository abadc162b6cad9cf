import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { interruption } from '../../src/cli/interruption.ts';
import { runCommandLine } from '../../src/cli/program.ts';
import { StatusLine } from '../../src/cli/status-line.ts';
import { StreamMeter } from '../../src/cli/stream-meter.ts';
import { paint } from '../../src/report/terminal/paint.ts';
import { bundled } from '../fixtures.ts';
import { copied } from '../models/support.ts';
import { type Outcome, sinklab } from './terminal.ts';

const books = fileURLToPath(new URL('../../models/books-6m', import.meta.url));
const small = ['--threads', '1', '--capacity', '32', '--prompt', 'The old man'];

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sinklab-stream-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
});

/** Runs the command until `enough` of what it wrote to standard output, then interrupts it. */
async function interrupted(args: string[], enough: (out: string) => boolean): Promise<Outcome> {
  let [out, err] = ['', ''];
  const abort = new AbortController();
  const terminal = {
    out: (text: string) => {
      out += text;
      if (enough(out)) abort.abort(new Error('interrupted'));
    },
    err: (text: string) => {
      err += text;
    },
    paint: paint({ width: 100, color: false }),
    live: false,
  };
  const code = await runCommandLine(args, terminal, abort.signal);
  return { code, out, err };
}

describe('sinklab stream', () => {
  it('goes on from a text beyond its capacity, and says what it keeps and how it went', async () => {
    const { code, out, err } = await sinklab('stream', books, ...small, '--max-tokens', '60');
    expect(code).toBe(0);
    expect(out.length).toBeGreaterThan(100);
    expect(out.endsWith('\n')).toBe(true);
    const [keeps, ended] = err.trimEnd().split('\n');
    // L · G · D keys and values of 4 bytes for 32 entries.
    expect(keeps).toBe(
      'streaming-llm: 4 + 28: keeps the first 4 tokens and the last 28; positions are counted in the cache; 393 kB',
    );
    expect(ended).toMatch(
      /^ended by --max-tokens after 60 tokens, [\d.]+ tokens\/s, 32 entries, \d+ kB; [\d.]+ ms a token in the first 16, [\d.]+ in the last 12; mean −log p \d\.\d{3}$/,
    );
  });

  it('writes the same text for the same seed, another for another, and the same for every seed at temperature 0', async () => {
    const run = async (...more: string[]) =>
      (await sinklab('stream', books, ...small, '--max-tokens', '20', ...more)).out;
    const text = await run();
    expect(await run()).toBe(text);
    expect(await run('--seed', '1')).not.toBe(text);
    expect(await run('--temperature', '0', '--seed', '1')).toBe(await run('--temperature', '0'));
  });

  it('--json is the settings, the text and how time and loss went, and nothing else on standard output', async () => {
    const flags = ['--top-k', '50', '--top-p', '0.9', '--repetition-penalty', '1.2', '--max-tokens', '40'];
    const { code, out } = await sinklab('stream', books, ...small, ...flags, '--json');
    expect(code).toBe(0);
    const report = JSON.parse(out);
    expect(report).toMatchObject({
      format: 'sinklab.stream/1',
      policy: { name: 'streaming-llm', title: 'streaming-llm: 4 + 28', positions: 'cache-relative', capacity: 32 },
      weights: 'stored',
      sampler: { temperature: 0.8, topK: 50, topP: 0.9, minP: 0.05, repetitionPenalty: 1.2, seed: 0 },
      prompt: { source: '--prompt', tokens: 4, system: 0, resumed: false },
      generated: { tokens: 40, ended: 'max tokens', textCut: false },
      cache: { read: 44, entries: 32 },
      provenance: { threads: 1 },
    });
    expect(report.curve.map(({ from, tokens }: { from: number; tokens: number }) => [from, tokens])).toEqual([
      [0, 16],
      [16, 16],
      [32, 8],
    ]);
    const plain = await sinklab('stream', books, ...small, ...flags);
    expect(plain.out).toBe(`${report.generated.text}\n`);
  });

  it('ends at a stop string, which is not written', async () => {
    const whole = (await sinklab('stream', books, ...small, '--temperature', '0', '--max-tokens', '30')).out;
    const stop = whole.slice(20, 25);
    const { out, err } = await sinklab('stream', books, ...small, '--temperature', '0', '--stop', stop);
    expect(out).toBe(`${whole.slice(0, whole.indexOf(stop))}\n`);
    expect(err).toMatch(/^ended by --stop after /m);
  });

  it('without a text begins with BOS', async () => {
    const { out } = await sinklab('stream', books, '--threads', '1', '--max-tokens', '3', '--json');
    expect(JSON.parse(out).prompt).toEqual({ source: 'BOS', tokens: 1, system: 0, resumed: false });
  });

  it('runs a model without a tokenizer on ids, and writes ids', async () => {
    const { code, out } = await sinklab('stream', bundled('families/llama'), '--ids', '1,2,3', '--max-tokens', '5');
    expect(code).toBe(0);
    expect(out).toMatch(/^(\d+ ){5}\n$/);
  });

  it('saved and resumed gives what it would have given undisturbed', async () => {
    const file = join(folder, 'state');
    const whole = (await sinklab('stream', books, ...small, '--max-tokens', '70')).out;
    const first = await sinklab('stream', books, ...small, '--max-tokens', '45', '--save', file);
    expect(first.err).toContain(`wrote ${file}\n`);
    const rest = ['--threads', '1', '--capacity', '32', '--max-tokens', '25'];
    const second = await sinklab('stream', books, ...rest, '--resume', file);
    expect(first.out.slice(0, -1) + second.out).toBe(whole);
    const other = await sinklab('stream', books, '--threads', '1', '--capacity', '16', '--resume', file);
    expect(other).toMatchObject({ code: 1, out: '' });
    expect(other.err).toContain('streaming-llm: 4 + 28');
    await writeFile(file, 'nonsense');
    expect((await sinklab('stream', books, ...rest, '--resume', file)).code).toBe(1);
  });

  it('Ctrl-C ends it with a summary, saves, reports, and exits with 130', async () => {
    const [state, json] = [join(folder, 'state'), join(folder, 'r.json')];
    const patience = interruption.patience;
    const { code, out, err } = await interrupted(
      ['stream', books, ...small, '--save', state, '--json', json],
      (text) => text.length > 150,
    );
    expect(code).toBe(130);
    expect(out.endsWith('\n')).toBe(true);
    expect(err).toMatch(/^ended by Ctrl-C after \d+ tokens, /m);
    expect(err.endsWith(`wrote ${state}\nwrote ${json}\n`)).toBe(true);
    expect(JSON.parse(await readFile(json, 'utf8')).generated).toMatchObject({
      ended: 'interrupted',
      text: out.trimEnd(),
    });
    expect((await readdir(folder)).sort()).toEqual(['r.json', 'state']);
    expect(interruption.patience).toBe(patience);
    const rest = ['--threads', '1', '--capacity', '32', '--max-tokens', '3'];
    expect((await sinklab('stream', books, ...rest, '--resume', state)).code).toBe(0);
  });
});

describe('a pinned system prompt', () => {
  const template =
    "{% for m in messages %}<|bos|>{{ m['role'] }}: {{ m['content'] }}<|eos|>{% endfor %}{% if add_generation_prompt %}<|bos|>assistant:{% endif %}";

  it('is written as the chat template does and stays as the sinks', async () => {
    const model = await copied(books);
    await writeFile(join(model, 'chat_template.jinja'), template);
    const args = ['stream', model, '--threads', '1', '--system', 'Be brief.', '--max-tokens', '40'];
    const { code, out, err } = await sinklab(...args, '--capacity', '32', '--json');
    expect(code).toBe(0);
    const { prompt, policy } = JSON.parse(out);
    expect(err).toContain(`the system prompt takes ${prompt.system} tokens; they are pinned as the sinks\n`);
    expect(prompt.system).toBeGreaterThan(6);
    expect(policy.title).toBe(`streaming-llm: ${prompt.system} + ${32 - prompt.system}`);
    expect((await sinklab(...args, '--capacity', '8')).err).toContain(
      `sinklab: --capacity 8: the system prompt takes ${prompt.system} tokens and is pinned; give more than ${prompt.system}, better ${prompt.system + 252}\n`,
    );
    expect((await sinklab(...args, '--sinks', '4')).err).toContain(
      'sinklab: --system and --sinks: give one of them; the system prompt is pinned as the sinks\n',
    );
  });

  it('needs a chat template', async () => {
    const { code, err } = await sinklab('stream', books, '--system', 'Be brief.');
    expect({ code, err }).toMatchObject({ code: 1, err: expect.stringContaining('this model has no chat template') });
  });
});

describe('what is refused', () => {
  it.each([
    [
      ['--capacity', '4', '--sinks', '4'],
      '--capacity 4: it holds the sinks and what is recent; give more than --sinks 4',
    ],
    [['--prompt', 'x', '--ids', '1'], '--prompt and --ids: give one of them'],
    [['--prompt', ''], '--prompt: has no tokens; give some text'],
    [['--ids', '99999'], '--ids: entry 0 is "99999"; ids are integers from 0 to 4095, written as 1,2,3'],
    [['--resume', './no-such-file'], '--resume ./no-such-file: no such file'],
    [
      ['--bos', 'none'],
      'stream: there is nothing to go on from; give a text with --prompt or --file, or ids with --ids',
    ],
  ])('%j', async (args, message) => {
    const { code, err } = await sinklab('stream', books, '--threads', '1', ...args);
    expect({ code, last: err.trimEnd().split('\n').at(-1) }).toEqual({ code: 1, last: `sinklab: ${message}` });
  });

  it('a full cache whose room is used up ends the text with a summary', async () => {
    const saved = join(folder, 'full.state');
    const { code, out, err } = await sinklab(
      ...(['stream', books, ...small, '--policy', 'full', '--max-tokens', '60', '--save', saved] as const),
    );
    expect(code).toBe(0);
    expect(out.length).toBeGreaterThan(50);
    expect(err).toMatch(/^the cache is full: full: 32 keeps 33 entries after 33 tokens/m);
    expect(err).toMatch(/^ended by the room of the cache after \d+ tokens/m);
    expect(await readdir(folder)).toContain('full.state');
  });

  it('unknown policies and values out of range are wrong usage', async () => {
    expect((await sinklab('stream', books, '--policy', 'phlogiston')).err).toMatch(
      /argument 'phlogiston' is invalid\. Allowed choices are duo-attention, full, /,
    );
    expect((await sinklab('stream', books, '--top-p', '0')).err).toMatch(/expected a number above 0, to 1/);
  });
});

describe('how a stream stands', () => {
  it('is drawn below the text and taken back, and nothing is written where there is no terminal', () => {
    let err = '';
    const terminal = {
      out: () => {},
      err: (text: string) => {
        err += text;
      },
      paint: paint({ width: 40, color: false }),
    };
    const line = new StatusLine({ ...terminal, live: true });
    line.show('x'.repeat(60));
    line.clear();
    line.clear();
    expect(err).toBe(`\u001bD\u001bM\u001b7\u001b[1B\r\u001b[K${'x'.repeat(39)}\u001b8\u001b[J`);
    err = '';
    new StatusLine({ ...terminal, live: false }).show('x');
    expect(err).toBe('');
  });

  it('is kept in as many stretches as a report holds, however long it runs', () => {
    const meter = new StreamMeter(() => 1000);
    for (let token = 0; token < 100_000; token++) meter.add(token < 50_000 ? 2 : 4, -1);
    const { curve } = meter;
    expect(curve.length).toBeLessThanOrEqual(256);
    expect(curve.length).toBeGreaterThan(100);
    expect(curve.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(100_000);
    curve.forEach(({ from }, i) => {
      expect(from).toBe(i === 0 ? 0 : curve[i - 1]!.from + curve[i - 1]!.tokens);
    });
    expect([curve[0]!.milliseconds, curve.at(-1)!.milliseconds, meter.loss]).toEqual([2, 4, 1]);
    expect(meter.tokensPerSecond).toBeCloseTo(1000 / 3, 6);
  });
});
