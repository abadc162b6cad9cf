import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { runCommandLine } from '../../src/cli/program.ts';
import { paint } from '../../src/report/terminal/paint.ts';
import { parseTrainResult } from '../../src/report/train-json.ts';
import { sinklab } from './terminal.ts';

async function folderForTest(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sinklab-train-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const small = [
  '--steps',
  '12',
  '--batch',
  '2',
  '--width',
  '16',
  '--heads',
  '2',
  '--vocabulary',
  '300',
  '--threads',
  '1',
];

const bytes = ['--steps', '2', '--heads', '2', '--threads', '1'];

describe('sinklab train', () => {
  it('without a recipe lists them', async () => {
    const { code, out, err } = await sinklab('train');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    for (const name of ['trigger-averaging', 'bigram-backcopy', 'induction', 'tiny-bytes', 'tiny-text', 'books'])
      expect(out).toMatch(new RegExp(`^${name} `, 'm'));
  });

  it.each([
    [
      ['bogus'],
      'train: there is no recipe "bogus"; there are trigger-averaging, bigram-backcopy, bigram-backcopy-dirichlet, associative-recall, induction, in-context-regression, tiny-bytes, tiny-text, books',
    ],
    [
      ['trigger-averaging', '--width', '4'],
      'train trigger-averaging: --width means nothing to this recipe; it takes --steps --batch --learning-rate --decay --seed --threads --verbose --out --json --html --no-bos',
    ],
    [
      ['induction', '--no-bos'],
      'train induction: --no-bos means nothing to this recipe; it takes --steps --batch --learning-rate --decay --seed --threads --verbose --out --json --html',
    ],
    [
      ['tiny-bytes', '--vocabulary', '300'],
      'train tiny-bytes: --vocabulary means nothing to this recipe; it takes --steps --batch --learning-rate --decay --seed --threads --verbose --out --json --html --width --layers --heads --feed-forward --context --warm-up --clip --corpus --validation --cache --resume --dtype',
    ],
    [['books'], 'train books: name a text to train on with --corpus FILE (UTF-8, .gz too)'],
    [
      ['tiny-text', '--resume', '--out', './no-such-run'],
      'train tiny-text --resume: there is no run in ./no-such-run; name its folder with --out',
    ],
  ])('%j is refused in one line', async (args, message) => {
    expect(await sinklab('train', ...args)).toEqual({ code: 1, out: '', err: `sinklab: ${message}\n` });
  });

  it('refuses an unknown flag as wrong usage', async () => {
    const { code, err } = await sinklab('train', 'tiny-text', '--bogus');
    expect({ code, first: err.split('\n')[0] }).toEqual({ code: 2, first: "sinklab: unknown option '--bogus'" });
  });

  it('says of a toy what was expected and whether it was shown, and exits with 0 either way', async () => {
    const { code, out, err } = await sinklab('train', 'trigger-averaging', '--steps', '12', '--threads', '1');
    expect(code).toBe(0);
    expect(err).toMatch(/^training takes about 1\d\d MB: weights and optimiser .* kB, values of a step .* [kM]B\n/);
    expect(out).toMatch(
      /^not shown +0\.1409 +at least 0\.95 +firstElsewhere +attention to BOS where there is no trigger$/m,
    );
    expect(out).toContain('0 of 3 expectations shown.');
  });

  it('gives the same curve from the same seed', async () => {
    const curve = async (seed: string) => {
      const { out } = await sinklab(
        'train',
        'trigger-averaging',
        '--steps',
        '5',
        '--threads',
        '1',
        '--seed',
        seed,
        '--json',
      );
      return parseTrainResult(out).curve;
    };
    const first = await curve('4');
    expect(first.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5]);
    expect(await curve('4')).toEqual(first);
    expect((await curve('5'))[0]!.loss).not.toBe(first[0]!.loss);
  });

  it('trains a language model into a folder that scan opens', async () => {
    const out = await folderForTest();
    const page = join(out, 'page.html');
    const trained = await sinklab('train', 'tiny-text', ...small, '--out', out, '--json', '--html', page);
    expect(trained.code).toBe(0);
    expect((await readdir(out)).sort()).toEqual(
      ['checkpoints', 'data', 'model', 'page.html', 'run.json', 'training.html', 'training.json'].sort(),
    );
    const result = parseTrainResult(trained.out);
    expect(result).toEqual(parseTrainResult(await readFile(join(out, 'training.json'), 'utf8')));
    expect(result.steps).toEqual({ done: 12, asked: 12 });
    expect(result.curve.length).toBe(12);
    expect(result.provenance.data.map(({ role }) => role)).toEqual(['training text', 'validation text', 'tokenizer']);
    // A guess among 300 tokens before the first update.
    expect(result.curve[0]!.loss).toBeCloseTo(Math.log(300), 1);

    const scanned = await sinklab(
      'scan',
      join(out, 'model'),
      '--texts',
      '2',
      '--text-tokens',
      '16',
      '--tokens',
      '32',
      '--json',
    );
    expect(scanned.code).toBe(0);
    const { model, input } = JSON.parse(scanned.out);
    expect([model.family, model.layers, model.heads, model.vocabulary]).toEqual(['llama', 2, 2, 300]);
    expect(input.bosAdded).toBe(true);

    const again = await sinklab('train', 'tiny-text', ...small, '--out', out);
    expect(again).toEqual({
      code: 1,
      out: '',
      err: `sinklab: train tiny-text: there is a run in ${out} already; go on with it with --resume, or name another folder with --out\n`,
    });
    const other = await sinklab('train', 'tiny-text', '--resume', '--width', '32', '--out', out);
    expect(other.err).toBe(
      'sinklab: train tiny-text --resume: width 32 was 16 when the run began; leave it out, or begin anew with another --out\n',
    );
  });

  it('says what memory it takes, and refuses what the machine does not have without leaving a run behind', async () => {
    const out = await folderForTest();
    const { code, err } = await sinklab(
      'train',
      'tiny-bytes',
      ...bytes,
      '--width',
      '8192',
      '--batch',
      '60000',
      '--out',
      out,
    );
    expect(code).toBe(1);
    expect(err).toMatch(
      /^sinklab: memory: training takes about \d+(\.\d+)? TB, this machine has .* GB; give a smaller --batch, --context or --width\n$/m,
    );
    const again = await sinklab('train', 'tiny-bytes', ...bytes, '--width', '16', '--out', out);
    expect(again.code).toBe(0);
    expect(again.err).toMatch(
      /^training takes about 1\d\d MB: weights and optimiser \d+ kB, values of a step .* [kM]B$/m,
    );
  });

  it('saves when it is interrupted, says how to go on, and goes on as if nothing had been', async () => {
    const [whole, parts] = [await folderForTest(), await folderForTest()];
    await sinklab('train', 'tiny-text', ...small, '--out', whole);
    const abort = new AbortController();
    let err = '';
    const terminal = {
      out: () => {},
      err: (text: string) => {
        err += text;
        if (text.startsWith('step 4 ')) abort.abort();
      },
      paint: paint({ width: 100, color: false }),
      live: false,
    };
    const code = await runCommandLine(['train', 'tiny-text', ...small, '--out', parts], terminal, abort.signal);
    expect(code).toBe(130);
    const [, saved] = /saved at step (\d+) of 12; go on with: (sinklab train tiny-text --resume --out .*)\n$/.exec(
      err,
    )!;
    expect(Number(saved)).toBeLessThan(12);
    const resumed = await sinklab('train', 'tiny-text', '--resume', '--out', parts, '--threads', '1');
    expect(resumed.code).toBe(0);
    const weights = (folder: string) => readFile(join(folder, 'model/model.safetensors'));
    expect((await weights(parts)).equals(await weights(whole))).toBe(true);
  });

  it('writes the weights as float16 where that is asked for, of a finished run too', async () => {
    const out = join(await folderForTest(), 'half');
    await sinklab('train', 'tiny-bytes', ...bytes, '--out', out);
    const size = async () => (await readFile(join(out, 'model/model.safetensors'))).length;
    const whole = await size();
    const { code } = await sinklab(
      'train',
      'tiny-bytes',
      '--resume',
      '--out',
      out,
      '--dtype',
      'float16',
      '--threads',
      '1',
    );
    expect(code).toBe(0);
    expect((await size()) / whole).toBeLessThan(0.55);
    expect(JSON.parse(await readFile(join(out, 'model/config.json'), 'utf8')).torch_dtype).toBe('float16');
  });
});
