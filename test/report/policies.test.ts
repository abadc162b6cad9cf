import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { renderPoliciesHtml } from '../../src/report/html/policies.ts';
import { type PoliciesReport, type PolicyRow, policiesSchema } from '../../src/report/policies.schema.ts';
import { bytesCurve, explodes, lossCurve, policyCurves, timeCurve } from '../../src/report/policies-curves.ts';
import { parsePoliciesReport, writePoliciesJson } from '../../src/report/policies-json.ts';
import { renderPoliciesSvg } from '../../src/report/policies-svg.ts';
import { renderPolicies } from '../../src/report/policies-terminal.ts';
import { needleSentences, policySentences } from '../../src/report/policies-words.ts';
import { paint } from '../../src/report/terminal/paint.ts';
import { hostileTokens } from './example.ts';

const tokens = 320;

function row(label: string, loss: (t: number) => number | null, change: Partial<PolicyRow> = {}): PolicyRow {
  return {
    ...{ label, name: `${label}: 64`, source: '2309.17453', keeps: 'the last 64 tokens', decides: 'after every token' },
    ...{ positions: 'cache-relative', newlines: 0, ended: null, allocated: 9000, seconds: 2, notes: [], needles: [] },
    losses: Array.from({ length: tokens }, (_, t) => loss(t)),
    bytes: Array.from({ length: 10 }, (_, i) => [32 * (i + 1), 100 * Math.min(64, 32 * (i + 1))]),
    times: Array.from({ length: 5 }, (_, i) => [56 + 64 * i, 5 + i]),
    kept: [
      { at: 64, runs: [[0, 64, 1]] },
      { at: 320, runs: [[256, 320, 1]] },
    ],
    left: [{ label: 'the first token', from: 0, to: 1, firstLost: 65, allLost: 65 }],
    ...change,
  };
}

const needle = (found: boolean, allLost: number | null) => ({
  ...{ depth: 0.5, code: '12345', found, logProbability: -2.5, tokens: 192 },
  left: { label: 'needle', from: 90, to: 110, firstLost: 155, allLost },
});

const policies = [
  row('full', (t) => (t < 200 ? 3 : null), {
    ended: { at: 200, why: 'the model was trained for 200 positions' },
    left: [{ label: 'the first token', from: 0, to: 1, firstLost: null, allLost: null }],
    needles: [{ ...needle(true, null), left: { ...needle(true, null).left, firstLost: null } }],
  }),
  row('window', (t) => (t < 64 ? 3 : 12), { needles: [needle(false, 174)] }),
  row('tova', () => 4, {
    kept: [
      { at: 64, runs: [[0, 64, 1]] },
      {
        at: 320,
        runs: [
          [0, 3, 0.4],
          [250, 320, 0.9],
        ],
      },
    ],
    left: [{ label: 'the first token', from: 0, to: 1, firstLost: 70, allLost: null }],
    needles: [needle(false, null)],
  }),
  row('recompute', (t) => (t % 8 === 0 && t > 0 ? 3.1 : null), { notes: ['every 8th token was predicted'] }),
];

function reportOf(rows: PolicyRow[], change: Partial<PoliciesReport> = {}): PoliciesReport {
  return {
    ...{ format: 'sinklab.policies/1', sinklab: '0.1.0', date: '2026-01-01T00:00:00.000Z', capacity: 64 },
    model: {
      ...{ source: 'models/small.gguf', family: 'llama', layers: 2, keyValueHeads: 1, headWidth: 8, maxPositions: 200 },
      files: [{ name: 'small.gguf', bytes: 1e6, sha256: 'ab'.repeat(32) }],
    },
    text: { source: 'book.txt', tokens, sha256: 'cd'.repeat(32), bosAdded: false, firstIds: [1, 2, 3] },
    settings: { oneByOne: false, every: 64, stretch: 8, stride: 8, limit: 200, seed: 0 },
    reference: 'recompute',
    policies: rows,
    figures: rows.map(({ label }, i) => ({
      ...{
        label,
        tokens: 256,
        loss: 3 + i,
        error: 0.1,
        perplexity: [20.0855, 54.5982, 148.413][i] ?? 403.429,
        early: 5,
        late: 9,
        bytes: 6400,
      },
      ratio: label === 'recompute' ? null : { value: 1 + i, error: 0.05, tokens: 32 },
    })),
    provenance: { runtime: 'onnxruntime', device: 'cpu', threads: 2, weights: 'stored', node: '20.0.0', seconds: 8 },
    ...change,
  };
}

const report = reportOf(policies);
const terminal = (of = report) => renderPolicies(of, paint({ width: 120 }));

describe('curves of policies', () => {
  it('are means of 32 tokens, of more where few were predicted, and have no value where nothing was', () => {
    const whole = lossCurve(policies[0]!);
    expect(whole.map(({ at }) => at)).toEqual([16, 48, 80, 112, 144, 176, 208, 240, 272, 304]);
    expect(whole.map(({ value }) => value)).toEqual([3, 3, 3, 3, 3, 3, 3, Number.NaN, Number.NaN, Number.NaN]);
    expect(lossCurve(policies[3]!)).toHaveLength(3);
  });

  it('begin at no bytes, and have a logarithmic axis for losses only where these explode', () => {
    expect(bytesCurve(policies[1]!)[0]).toEqual({ at: 0, value: 0 });
    expect(timeCurve(policies[1]!).map(({ value }) => value)).toEqual([5, 6, 7, 8, 9]);
    expect(policyCurves(report)[0].log).toBe(true);
    expect(policyCurves(reportOf(policies.slice(2)))[0].log).toBe(false);
    expect(explodes([[{ at: 0, value: Number.NaN }]], 3)).toBe(false);
  });
});

describe('words on policies', () => {
  it('say what was evicted and when, where a policy ended, and its notes', () => {
    expect(policySentences(report)).toEqual([
      'full: ended at token 200: the model was trained for 200 positions. Still there at the end: the first token.',
      'window: the first token left at token 65.',
      'tova: part of the first token left at token 70.',
      'recompute: the first token left at token 65. Every 8th token was predicted.',
    ]);
    expect(needleSentences(report)).toEqual([
      'window: evicted before the question at token 192: wholly at 50 % (token 174).',
      'tova: evicted before the question at token 192: in part at 50 % (token 155).',
    ]);
  });
});

describe('the terminal view', () => {
  it('has a line for each policy with its loss, its ratio to the reference, times and bytes', () => {
    const text = terminal();
    expect(text).toMatch(
      /^window +window: 64 +256 +4\.000 ± 0\.100 +54\.6 +2\.000 ± 0\.050 +5 +9 +6\.40 kB +9\.00 kB$/m,
    );
    expect(text).toMatch(/^recompute .* reference /m);
    expect(text).toMatch(/^full +1 of 1, −2\.5$/m);
    expect(text).toMatch(/^window +0 of 1, −2\.5$/m);
    expect(text).toMatch(/3 to 12 nats, logarithmic/);
  });

  it('is no wider than it may be', () => {
    for (const width of [40, 60, 100])
      for (const line of renderPolicies(report, paint({ width })).split('\n'))
        expect([line, line.length <= width]).toEqual([line, true]);
  });
});

describe('JSON of policies', () => {
  it('is read back as it was written', () => {
    const json = writePoliciesJson(report);
    expect(parsePoliciesReport(json)).toEqual(report);
    expect(writePoliciesJson(parsePoliciesReport(json))).toBe(json);
  });

  it.each<[string, (value: PoliciesReport) => unknown, RegExp]>([
    ['no JSON', () => '{', /^policies: expected JSON written by/],
    ['another format', (r) => ({ ...r, format: 'sinklab.scan/1' }), /^policies: format: /],
    ['an unknown field', (r) => ({ ...r, script: 'x' }), /^policies: the file: Unrecognized key/],
    [
      'a missing loss',
      (r) => reportOf([{ ...r.policies[0]!, losses: [1] }]),
      /^policies: policies.0.losses: expected 320, one for each token, found 1$/,
    ],
    [
      'figures of another policy',
      (r) => reportOf(r.policies.slice(0, 1), { figures: r.figures.slice(1, 2) }),
      /^policies: figures.0.label: expected "full", found "window"$/,
    ],
    [
      'a number that is none',
      (r) => reportOf([{ ...r.policies[0]!, seconds: '1' as never }]),
      /^policies: policies.0.seconds: /,
    ],
    [
      'a share above 1',
      () => reportOf([row('x', () => 1, { kept: [{ at: 1, runs: [[0, 1, 2]] }] })]),
      /^policies: policies.0.kept.0.runs.0.2: /,
    ],
    [
      'a token far outside',
      () => reportOf([row('x', () => 1, { kept: [{ at: 1, runs: [[-1e9, 1, 1]] }] })]),
      /^policies: policies.0.kept.0.runs.0.0: /,
    ],
    ['no policy', () => reportOf([]), /^policies: policies: /],
    ['a long name', () => reportOf([row('x'.repeat(300), () => 1)]), /^policies: policies.0.label: /],
    [
      'prototype pollution',
      (r) => JSON.stringify(r).replace('{', '{"__proto__":{"a":1},'),
      /^policies: the file: Unrecognized key/,
    ],
  ])('refuses %s', (_, change, message) => {
    const value = change(report);
    expect(() => parsePoliciesReport(typeof value === 'string' ? value : JSON.stringify(value))).toThrow(message);
  });

  it('is not written where a loss is no number', () => {
    expect(() => writePoliciesJson(reportOf([row('x', () => Number.NaN)]))).toThrow(/^policies: policies.0.losses.0: /);
  });
});

describe('pictures of policies', () => {
  it('are the same for the same report', async () => {
    expect(renderPoliciesSvg(report)).toBe(renderPoliciesSvg(parsePoliciesReport(writePoliciesJson(report))));
    expect(await renderPoliciesHtml(report)).toBe(await renderPoliciesHtml(report));
  });

  it('have three panels, a line for each policy in every one, and a cross where one ended', () => {
    const { document } = parseHTML(renderPoliciesSvg(report));
    const panels = [...document.querySelectorAll('svg.panel')];
    expect(panels).toHaveLength(3);
    for (const panel of panels) expect(panel.querySelectorAll('[aria-label="line"]').length).toBe(4);
    expect(panels[0]!.querySelectorAll('[aria-label="dot"] path').length).toBe(1);
    expect(document.querySelector('title')!.textContent).toBe('small.gguf: loss, memory and time under cache policies');
  });

  it('tell twelve policies apart by colour and dash', () => {
    const many = Array.from({ length: 12 }, (_, i) => row(`p${i}`, () => 3));
    const { document } = parseHTML(renderPoliciesSvg(reportOf(many, { reference: null })));
    const lines = [...document.querySelector('svg.panel')!.querySelectorAll('[aria-label="line"]')];
    const looks = lines.map((line) => `${line.getAttribute('stroke')} ${line.getAttribute('stroke-dasharray')}`);
    expect(new Set(looks).size).toBe(12);
  });

  it('have a page without scripts, its table, what was kept as a row for each moment, and provenance', async () => {
    const html = await renderPoliciesHtml(report);
    expect(html).not.toContain('<script');
    const { document } = parseHTML(html);
    expect(document.querySelectorAll('body style, body [style]').length).toBe(0);
    expect([...document.querySelectorAll('h2')].map(({ textContent }) => textContent)).toEqual([
      ...['What was kept', 'What was evicted', 'Facts found again', 'The policies', 'Provenance'],
    ]);
    const kept = document.querySelector('svg.plot[aria-label="Tokens that are kept"]')!;
    // One run each, two for the last of tova.
    expect(kept.querySelectorAll('[aria-label="rect"] rect, [aria-label="bar"] rect').length).toBe(2 * 4 + 1);
    expect(html).toContain('cd'.repeat(32));
  });

  it('let no text become markup, or a terminal obey', async () => {
    const rows = hostileTokens.map((text, i) =>
      row(`${i}${text}`, () => 3, {
        ...{ name: text, source: text, keeps: text, decides: text, notes: [text], ended: { at: 9, why: text } },
        left: [{ label: text, from: 0, to: 1, firstLost: 3, allLost: 4 }],
        needles: [{ ...needle(true, 9), code: text, left: { ...needle(true, 9).left, label: text } }],
      }),
    );
    const all = hostileTokens.join('');
    const bad = reportOf(rows, {
      ...{ sinklab: all, date: all, reference: `0${hostileTokens[0]}` },
      model: { ...report.model, source: all, family: all, files: [{ name: all, bytes: 1, sha256: 'x' }] },
      text: { ...report.text, source: all },
      provenance: { ...report.provenance, runtime: all, device: all, weights: all, node: all },
    });
    expect(policiesSchema.safeParse(bad).success).toBe(true);
    const { document } = parseHTML(await renderPoliciesHtml(bad));
    expect(document.querySelectorAll('script, img, a').length).toBe(0);
    const svg = renderPoliciesSvg(bad);
    expect(parseHTML(svg).document.querySelectorAll('script, img, a, foreignObject').length).toBe(0);
    for (const text of [document.body.textContent!, svg, terminal(bad)]) {
      const seen = [...text].filter((character) => character !== '\n' && /[\p{Cc}\p{Cf}\p{Cs}]/u.test(character));
      expect(seen).toEqual([]);
    }
  });
});
