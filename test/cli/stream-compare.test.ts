import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { runCommandLine } from '../../src/cli/program.ts';
import { parsePoliciesReport } from '../../src/report/policies-json.ts';
import { paint } from '../../src/report/terminal/paint.ts';
import { sinklab } from './terminal.ts';

const model = 'models/books-6m';
const story = 'The old man sat by the river. He had a small boat, and he said to the boy that it was his own.\n'.repeat(
  9,
);

let folder: string;
let text: string;
let small: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sinklab-policies-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  text = join(folder, 'story.txt');
  await writeFile(text, story);
  small = ['--file', text, '--tokens', '100', '--capacity', '32', '--needles', '0', '--out', folder];
});
const compare = (list: string, ...more: string[]) => sinklab('stream', model, '--compare', list, ...small, ...more);

describe('sinklab stream --compare', () => {
  it('shows policies side by side, in the terminal, as JSON, as a page without scripts and as a picture', async () => {
    const [json, html, svg] = ['p.json', 'p.html', 'p.svg'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    const list = 'full,streaming-llm:0,streaming-llm:2@absolute,newline-sinks:2,recompute';
    const { code, out, err } = await compare(
      list,
      '--json',
      json,
      '--html',
      html,
      '--svg',
      svg,
      '--recompute-every',
      '20',
    );
    expect([code, err]).toEqual([0, expect.stringContaining(`wrote ${svg}\n`)]);
    expect(out).toMatch(/^streaming-llm:0 +68 /m);
    expect(out).toMatch(
      /^streaming-llm:0: the first token left at token 33; the first four tokens left between tokens 33 and\n +36\.$/m,
    );
    const report = parsePoliciesReport(await readFile(json, 'utf8'));
    expect(report).toMatchObject({
      reference: 'recompute',
      capacity: 32,
      text: { source: text, tokens: 100 },
      provenance: { weights: 'stored' },
    });
    expect(report.model.files[0]!.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(report.policies.map(({ label }) => label).join()).toBe(list);
    expect(report.policies[2]!.positions).toBe('absolute');
    expect(report.figures[4]!.tokens).toBe(3);
    expect(await readFile(html, 'utf8')).not.toContain('<script');
    expect(await readFile(svg, 'utf8')).toMatch(/^<svg/);
  });

  it('runs no policy a second time, and one whose setting is another', async () => {
    const { out } = await compare('full,streaming-llm:2');
    const kept = () => readdir(join(folder, 'policies'));
    expect(await kept()).toHaveLength(2);
    const again = await compare('full,streaming-llm:2');
    expect(again.out).toBe(out);
    expect(again.err).not.toMatch(/^full: /m);
    await compare('full,streaming-llm:1');
    expect(await kept()).toHaveLength(3);
    await compare('full', '--capacity', '40');
    expect(await kept()).toHaveLength(4);
  });

  it('refuses a result in that folder that is not one of these', async () => {
    await compare('full');
    const [name] = await readdir(join(folder, 'policies'));
    await writeFile(join(folder, 'policies', name!), '{"result":{"label":"full","script":1}}');
    const { code, err } = await compare('full');
    expect(code).toBe(1);
    expect(err).toMatch(/: the result of full is damaged \(.*\); remove it to run it again\n$/);
  });

  it('asks for facts, and puts a system prompt in front whose eviction is told', async () => {
    const { code, out } = await sinklab(
      ...['stream', model, '--compare', 'full,streaming-llm:2', '--file', text, '--tokens', '60', '--capacity', '32'],
      ...['--out', folder, '--needle-tokens', '64', '--system', 'You are kind to everyone you meet.'],
    );
    expect(code).toBe(0);
    expect(out).toMatch(/^policy +at 10 % +at 30 % +at 50 % +at 70 % +at 90 %$/m);
    expect(out).toMatch(/^streaming-llm:2: part of the first four tokens left at token 33; part of the system prompt/m);
    expect(out).toMatch(/^streaming-llm:2: evicted before the question at token 6\d: wholly at 10 % /m);
  });

  it.each([
    [['--compare', 'phlogiston', '--file', 'story.txt'], /^sinklab: --file story.txt: no such file\n$/],
    [['--compare', 'full'], /^sinklab: --compare: name the text with --file\n$/],
    [
      ['--compare', 'full', '--file', 'x', '--sinks', '4'],
      /^sinklab: --sinks: has no meaning with --compare, .* streaming-llm:8@absolute\n$/,
    ],
    [
      ['--compare', 'full', '--file', 'x', '--max-tokens', '4'],
      /^sinklab: --max-tokens: has no meaning with --compare/,
    ],
    [['--compare', 'full', '--file', 'x', '--policy', 'full'], /^sinklab: --policy: has no meaning with --compare/],
    [['--html', 'x.html'], /^sinklab: --html: is for --compare; name the policies with it\n$/],
    [['--needles', '-1'], /^sinklab: option '--needles <n>' argument '-1' is invalid/],
  ])('%j: a clear word', async (args, message) => {
    const { err } = await sinklab('stream', model, ...args);
    expect(err.replace(/\n.*--help shows.*\n$/s, '\n')).toMatch(message);
  });

  it('names the policies there are when one is asked for that is not; --list tells what each is', async () => {
    const { code, err } = await compare('phlogiston');
    expect(code).toBe(1);
    expect(err).toMatch(
      /sinklab: policies: there is no policy "phlogiston"; there are .*full.*, recompute, newline-sinks, with/,
    );
    const { out } = await sinklab('stream', '--list');
    for (const name of ['full', 'streaming-llm', 'recompute', 'newline-sinks'])
      expect(out).toMatch(new RegExp(`^${name}$`, 'm'));
  });

  it('keeps finished policies when it is interrupted', async () => {
    const abort = new AbortController();
    let err = '';
    const terminal = {
      out: () => {},
      err: (words: string) => {
        err += words;
        if (words.startsWith('full: ')) abort.abort(new Error('interrupted'));
      },
      paint: paint({ width: 100 }),
      live: false,
    };
    const args = ['stream', model, '--compare', 'full,streaming-llm:2', ...small];
    expect(await runCommandLine(args, terminal, abort.signal)).toBe(130);
    expect(err).toContain(`finished policies are kept in ${folder}; the same command goes on with the rest\n`);
    expect(await readdir(join(folder, 'policies'))).toHaveLength(1);
  });
});
