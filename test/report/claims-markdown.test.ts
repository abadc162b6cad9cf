import { expect, it } from 'vitest';
import type { ClaimsReport } from '../../src/report/claims.schema.ts';
import { claimsMarkdown } from '../../src/report/claims-markdown.ts';

const statement = (more: Partial<ClaimsReport['statements'][number]>): ClaimsReport['statements'][number] => ({
  ...{ card: 'gated-attention', title: 'Gated attention', source: '2505.06708', name: 'the gate takes the sink' },
  ...{ says: 'A gate on the output leaves no sink.', verdict: 'in part', note: null, seconds: 90 },
  command: 'sinklab claims gated-attention --size minutes --seeds 2',
  figures: [
    { about: 'on BOS, head-wise', values: [0.06, 0.08], expected: 'at most 0.15', control: false },
    { about: 'on BOS, softmax', values: [0.7, Number.NaN], expected: null, control: true },
  ],
  ...more,
});

const report = (...statements: ClaimsReport['statements']): ClaimsReport => ({
  ...{ format: 'sinklab.claims/1', sinklab: '0.1.0', size: 'minutes', seeds: [0, 1], statements },
  provenance: { runtime: 'onnxruntime', node: '20' },
});

it('a page lists all verdicts, and has a section with figures for each statement', () => {
  const page = claimsMarkdown(report(statement({}), statement({ name: 'more', verdict: 'not run', figures: [] })));
  expect(page).toContain(
    '2 statements of 1 method cards, size minutes, 2 seeds, ± between them: 0 shown, 1 in part, 0 not shown at this scale, 1 not run.',
  );
  expect(page).toContain(
    '| gated-attention | [the gate takes the sink](#gated-attention-the-gate-takes-the-sink) | in part |',
  );
  expect(page).toContain('## gated-attention: the gate takes the sink\n');
  expect(page).toContain('| on BOS, head-wise | 0.07 ± 0.0141 | at most 0.15 |');
  expect(page).toContain('| control · on BOS, softmax | 1 of 2 diverged |  |');
  expect(page).toMatch(/^`sinklab claims gated-attention --size minutes --seeds 2`, 1\smin\s30\ss of training$/m);
});

it('texts cannot become markup', () => {
  const page = claimsMarkdown(report(statement({ says: '<img src=x> | **bold**\u202e', note: '# a | b' })));
  expect(page).toContain('&lt;img src=x&gt; \\| \\*\\*bold\\*\\*');
  expect(page).not.toContain('\u202e');
  expect(page).toContain('\\# a \\| b');
});
