import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { renderMechanismsHtml } from '../../src/report/html/mechanisms.ts';
import { mechanismGroups } from '../../src/report/mechanism-groups.ts';
import { renderMechanismPages } from '../../src/report/mechanism-pages.ts';
import { type MechanismRow, type MechanismsReport, mechanismsSchema } from '../../src/report/mechanisms.schema.ts';
import { asExpected, verdictWords } from '../../src/report/mechanisms-verdict.ts';
import { hostileTokens } from './example.ts';

interface Given extends Partial<Omit<MechanismRow, 'runs'>> {
  /** Attention on BOS of each seed; undefined: no pattern. */
  readonly shares: readonly (number | undefined)[];
}

function row({ shares, ...given }: Given): MechanismRow {
  const expected = given.expected ?? 'open';
  return {
    ...{ name: 'gated: value', card: 'gated-attention', title: 'Gated attention', source: '2505.06708' },
    ...{ idea: 'A gate.', equation: 'y = z ⊙ σ(x W)', example: "gated({ position: 'value' })", rows: 'one', expected },
    citations: [{ authors: 'Qiu et al.', title: 'Gated Attention', year: 2025, arxiv: '2505.06708' }],
    asExpected: asExpected(expected, shares),
    cost: { parameters: 100, flops: 2e6, state: { perToken: 512, constant: 0 } },
    runs: {
      'bigram-backcopy': shares.map((share, seed) => ({
        seed,
        values: { triggerLoss: 0.1 + seed / 10, ...(share === undefined ? {} : { firstElsewhere: share }) },
        ...{ untrained: {}, gradientNorm: { mean: 0.5, largest: 2 }, seconds: 3.25 },
      })),
    },
    ...given,
  };
}

const softmax = row({
  ...{ name: 'softmax', card: 'sink-free-softmax', title: 'Softmax attention', example: 'softmaxAttention()' },
  ...{ expected: 'keeps', shares: [0.6, 0.8] },
});

const mechanisms = [
  row({ name: 'gated: sdpa-output', expected: 'gone', shares: [0.05, 0.1] }),
  row({ name: 'gated: value', expected: 'gone', shares: [0.05, 0.2] }),
  row({ name: 'gated: key', shares: [0.4, 0.5] }),
  row({ name: 'gated: none', expected: 'gone', rows: 'none', shares: [undefined, undefined] }),
  row({ name: 'softmax1', card: 'sink-free-softmax', title: 'Sink-free', expected: 'gone', shares: [0, 0.01] }),
  softmax,
];

const reportOf = (rows: MechanismRow[], change: Partial<MechanismsReport> = {}): MechanismsReport => ({
  ...{ format: 'sinklab.mechanisms/1', sinklab: '0.1.0', share: 0.4, seeds: [0, 1] },
  toys: [{ name: 'bigram-backcopy', about: 'Copy or rest.', steps: 2000 }],
  mechanisms: rows,
  provenance: { runtime: 'onnxruntime', node: '20.0.0', seconds: 120 },
  ...change,
});

const report = reportOf(mechanisms);
const page = (name: string, of = report) => renderMechanismPages(of, []).get(name)!;

describe('what is expected of a sink', () => {
  it('holds where every seed shows it, and is open where nothing is expected or measured', () => {
    expect(asExpected('gone', [0.15, 0])).toBe(true);
    expect(asExpected('gone', [0.16, 0])).toBe(false);
    expect(asExpected('moved', [0.1])).toBe(true);
    expect(asExpected('keeps', [0.3, 1])).toBe(true);
    expect(asExpected('keeps', [0.29, 1])).toBe(false);
    expect(asExpected('reduced', [0.16, 0.79])).toBe(true);
    expect(asExpected('reduced', [0.15])).toBe(false);
    expect(asExpected('reduced', [0.8])).toBe(false);
    expect(asExpected('open', [0.1])).toBe(null);
    expect(asExpected('gone', [0.1, undefined])).toBe(null);
    expect(asExpected('gone', [])).toBe(null);
  });

  it('is counted in words: what is so, what is not, what cannot be told and of what nothing is expected', () => {
    expect(verdictWords(mechanisms.slice(0, 4))).toBe(
      '1 of the 2 variants judged here does what is expected of the sink, in every seed: sdpa-output (no sink). Not so: value (no sink). Expected, with nothing here to measure it by: none (no sink). Nothing is expected of: key.',
    );
    expect(verdictWords([mechanisms[1]!, mechanisms[1]!])).toMatch(/^None of the 2 variants judged here does what/);
    expect(verdictWords([mechanisms[0]!, softmax])).toBe(
      'All 2 variants judged here do what is expected of the sink, in every seed: sdpa-output (no sink); softmax (keeps it).',
    );
    expect(verdictWords([softmax])).toBe(
      'The one variant judged here does what is expected of the sink, in every seed: softmax (keeps it).',
    );
    expect(verdictWords(mechanisms.slice(2, 3))).toBe('No variant is judged here. Nothing is expected of: key.');
    expect(verdictWords(mechanisms.slice(1, 2))).toBe(
      'The one variant judged here does not do what is expected of the sink. Not so: value (no sink).',
    );
  });
});

describe('pages of mechanisms', () => {
  it('are an overview, and a page with a picture for each mechanism, by its card or, where that is taken, its title', () => {
    expect([...renderMechanismPages(report, []).keys()]).toEqual([
      ...['README.md', 'overview.svg', 'gated-attention.md', 'gated-attention.svg'],
      ...['sink-free-softmax.md', 'sink-free-softmax.svg', 'softmax-attention.md', 'softmax-attention.svg'],
    ]);
    const named = (card: string, title: string) => row({ card, title, shares: [] });
    const strange = reportOf([named('../../etc', 'A'), named('README', 'overview'), named('…', '…')]);
    expect(mechanismGroups(strange).map((group) => group.page)).toEqual(['etc', 'overview-2', 'mechanism-2']);
  });

  it('have idea, equation, snippet, picture, verdict, figures, command and citation', async () => {
    await expect(page('gated-attention.md')).toMatchFileSnapshot('__snapshots__/mechanism-page.md');
    await expect(page('README.md')).toMatchFileSnapshot('__snapshots__/mechanisms-overview.md');
  });

  it('are the same for the same results, however long they took and whoever made them', () => {
    const slower = mechanisms.map(({ runs, ...rest }) => ({
      ...rest,
      runs: { 'bigram-backcopy': runs['bigram-backcopy']!.map((run) => ({ ...run, seconds: 99 })) },
    }));
    const again = reportOf(slower, { sinklab: '9.9.9', provenance: { runtime: 'x', node: '99', seconds: 1 } });
    expect([...renderMechanismPages(again, [])]).toEqual([...renderMechanismPages(report, [])]);
  });

  it('name the command that gives all that was run', () => {
    const toys = ['bigram-backcopy', 'associative-recall'].map((name) => ({ name, about: '', steps: 5 }));
    const other = reportOf(mechanisms, { toys, share: 1 });
    const [command] = /^sinklab .*$/m.exec(renderMechanismPages(other, ['gated-attention']).get('README.md')!)!;
    expect(command).toBe(
      'sinklab mechanisms gated-attention --toy bigram-backcopy associative-recall --seeds 2 --pages mechanisms',
    );
  });

  it('let no text become markup, in Markdown, SVG or HTML', async () => {
    const hostile = hostileTokens.map((text, i) =>
      row({
        ...{ name: `gated: a|b${text}`, title: `T${i}|${text}`, card: text, idea: text, equation: `\`\`\`\n${text}` },
        ...{ example: text, source: text, citations: [{ authors: text, title: text, year: 1, arxiv: text }] },
        shares: [0.1, 0.2],
      }),
    );
    const bad = reportOf(hostile, { toys: [{ name: 'bigram-backcopy', about: hostileTokens.join(''), steps: 1 }] });
    expect(mechanismsSchema.safeParse(bad).success).toBe(true);
    for (const [name, text] of renderMechanismPages(bad, hostileTokens)) {
      const seen = [...text].filter((character) => character !== '\n' && /[\p{Cc}\p{Cf}\p{Cs}]/u.test(character));
      expect([name, seen]).toEqual([name, []]);
      if (name.endsWith('.svg')) {
        expect(parseHTML(text).document.querySelectorAll('script, img, a, foreignObject').length).toBe(0);
        continue;
      }
      // Outside the blocks of code the one element is our own comment.
      const prose = text.replace(/^(`{3,})\w*\n[\s\S]*?\n\1$/gm, '');
      expect(prose.match(/<(?!!-- Written by)/g)).toBe(null);
      const tables = prose.split('\n').filter((line) => line.startsWith('|'));
      const columns = tables.map((line) => line.match(/(?<!\\)\|/g)!.length);
      const widths = new Set(columns.slice(0, name === 'README.md' ? hostile.length + 2 : undefined));
      expect([name, widths.size]).toEqual([name, 1]);
    }
    const { document } = parseHTML(await renderMechanismsHtml(bad));
    expect(document.querySelectorAll('script, img, a').length).toBe(0);
  });
});

describe('the plot of mechanisms', () => {
  const svg = parseHTML(page('gated-attention.svg')).document;
  const dots = (tone: string) => svg.querySelectorAll(`[aria-label="dot"][fill="var(--${tone})"] circle`).length;

  it('has a dot for each seed, a zone where the sink is expected, softmax as a line, and says where there is no pattern', () => {
    expect(dots('sink')).toBe(3 * 2);
    expect(dots('others')).toBe(4 * 2);
    expect(svg.querySelectorAll('[aria-label="bar"] rect').length).toBe(2);
    expect(svg.querySelectorAll('[aria-label="rule"] line').length).toBe(2);
    const texts = [...svg.querySelectorAll('text')].map(({ textContent }) => textContent);
    expect(texts.filter((text) => text === 'no pattern').length).toBe(1);
    for (const name of ['sdpa-output', 'value', 'key', 'none']) expect(texts).toContain(name);
  });

  it('has no line for softmax where that was not run, and is left out where there is no figure', () => {
    const alone = renderMechanismPages(reportOf(mechanisms.slice(0, 2)), []);
    expect(alone.get('gated-attention.svg')).not.toContain('softmax');
    const bare = renderMechanismPages(reportOf([row({ shares: [] })]), []);
    expect([...bare.keys()]).toEqual(['README.md', 'gated-attention.md']);
    expect(bare.get('gated-attention.md')).not.toContain('.svg');
  });

  it('is in the HTML page too: one of everything, one for each mechanism, without a style that its policy refuses', async () => {
    const { document } = parseHTML(await renderMechanismsHtml(report));
    expect(document.querySelectorAll('svg.plot').length).toBe(1 + 3);
    expect(document.querySelectorAll('body style, body [style]').length).toBe(0);
  });
});
