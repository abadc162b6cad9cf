import { describe, expect, it } from 'vitest';
import { renderTrainHtml } from '../../src/report/html/train.ts';
import { paint } from '../../src/report/terminal/paint.ts';
import type { TrainResult } from '../../src/report/train.schema.ts';
import { parseTrainResult, writeTrainJson } from '../../src/report/train-json.ts';
import { renderTrain, standLine, standLines } from '../../src/report/train-terminal.ts';
import { duration } from '../../src/report/train-words.ts';

const points = Array.from({ length: 1000 }, (_, i) => i + 1);

const example: TrainResult = {
  format: 'sinklab.train/1',
  sinklab: '0.1.0',
  recipe: { name: 'books', about: 'A model.', kind: 'language model', source: null },
  settings: { width: 256, optimizer: 'AdamW' },
  seed: 0,
  steps: { done: 1000, asked: 6500 },
  curve: points.map((step) => ({
    ...{ step, loss: 8 / step + 3, gradientNorm: 1 / step, learningRate: step * 1e-6, tokensPerSecond: 4000 },
  })),
  watched: [
    { step: 1, sinkRate: 0, sinkRateByLayer: [0, 0], alpha: [0.02, 0.02], largestRatio: [4, 5] },
    { step: 1000, sinkRate: 0.125, sinkRateByLayer: [0, 0.25], alpha: [0.05, 0.2], largestRatio: [9, 41] },
  ],
  uniform: 0.013,
  validation: [{ step: 1000, loss: 3.2, perplexity: 24.53, tokens: 32_768 }],
  verdicts: [],
  provenance: {
    data: [{ role: 'training text', name: '<b>books.txt', sha256: 'ab', tokens: 26_000_000 }],
    ...{ parameters: 5_868_800, runtime: 'onnxruntime-node', device: 'cpu', node: '20', threads: 2, seconds: 5400 },
  },
};

describe('a training run as JSON', () => {
  it('comes back as it was written', () => {
    const json = writeTrainJson(example);
    expect(parseTrainResult(json)).toEqual(parseTrainResult(writeTrainJson(parseTrainResult(json))));
    expect(parseTrainResult(json).watched).toEqual(example.watched);
    expect(json).toContain('  {"step":1,"loss":11,"gradientNorm":1,"learningRate":0.000001,"tokensPerSecond":4000},\n');
  });

  it.each([
    ['no JSON', '{', 'run.json: expected JSON written by `sinklab train --json`'],
    [
      'another format',
      JSON.stringify({ ...example, format: 'sinklab.scan/1' }),
      'run.json: format: Invalid input: expected "sinklab.train/1"',
    ],
    [
      'steps that do not rise',
      JSON.stringify({ ...example, watched: [...example.watched].reverse() }),
      'run.json: watched.1.step: expected more than the step before, found 1',
    ],
    ['what it does not know', JSON.stringify({ ...example, odd: 1 }), 'run.json: the file: Unrecognized key: "odd"'],
  ])('refuses %s', (_, json, message) => {
    expect(() => parseTrainResult(json, 'run.json')).toThrow(message);
  });

  it('is not written with a number that is none', () => {
    const broken = { ...example, validation: [{ step: 1, loss: Number.NaN, perplexity: 1, tokens: 1 }] };
    expect(() => writeTrainJson(broken)).toThrow(
      'training result: validation.0.loss: Invalid input: expected number, received NaN',
    );
  });
});

describe('a training run in words', () => {
  it('reads time as people do', () => {
    expect([3.4, 250, 5400].map(duration)).toEqual(['3\u00a0s', '4\u00a0min 10\u00a0s', '1\u00a0h 30\u00a0min']);
  });

  const stand = { ...example, recipe: 'books', step: 1000, steps: 6500, secondsLeft: 5000 };

  it('is one line in a log', () => {
    expect(standLine(stand).replace(/\u00a0/g, ' ')).toBe(
      'step 1000 of 6500 · loss 3.01 · validation perplexity 24.5 · sink rate 12.5 % · largest 41 × mean · 4000 tokens/s · 1 h 23 min left',
    );
  });

  it('is five lines in a terminal, none wider than it', () => {
    for (const width of [40, 80, 140]) {
      const lines = standLines(stand, paint({ width, color: false }));
      expect(lines.length).toBe(5);
      for (const line of lines) expect([...line].length, line).toBeLessThanOrEqual(width);
    }
    expect(standLines(stand, paint({ width: 100, color: false }))[3]).toMatch(
      /^sink rate +12\.5\u00a0% .*by layer, %: 0 25$/,
    );
  });

  it('ends with what was expected of a toy and what was found', () => {
    const toy: TrainResult = {
      ...example,
      recipe: { name: 'toy', about: 'A toy.', kind: 'toy', source: '2410.10781' },
      verdicts: [
        { metric: 'loss', about: 'error', most: 0.002, found: 0.001, shown: true },
        { metric: 'first', about: 'attention to BOS', least: 0.95, found: 0.5, shown: false },
      ],
    };
    const text = renderTrain(toy, paint({ width: 100, color: false }));
    expect(text).toContain('1 of 2 expectations shown.');
    expect(text).toMatch(/^shown +0\.001 +at most 0\.002 +loss +error$/m);
    expect(text).toMatch(/^not shown +0\.5 +at least 0\.95 +first +attention to BOS$/m);
  });
});

describe('a training run as a page', () => {
  it('has every curve over the steps, no script, and names as text', async () => {
    const html = await renderTrainHtml(example);
    const titles = [...html.matchAll(/<figcaption><strong>([^<]*)</g)].map(([, title]) => title);
    expect(titles).toEqual([
      ...['Loss', 'Validation perplexity', 'Sink rate, ε 0.3', 'Largest activation', 'Gradient norm', 'Learning rate'],
    ]);
    expect(html).not.toContain('<script');
    expect(html).not.toContain('<b>books');
    expect(html).toContain('&lt;b&gt;books.txt');
    expect(html).toMatch(/Content-Security-Policy" content="default-src 'none'; style-src 'sha256-/);
    expect(html).toContain('the same if uniform');
    // Long curves are drawn in some hundreds of points.
    expect(html.length).toBeLessThan(80_000);
  });
});
