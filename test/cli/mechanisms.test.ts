import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { mechanismFiles } from '../../src/attention/registry.ts';
import { claims } from '../../src/claims/registry.ts';
import { sinklab } from './terminal.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sinklab-mechanisms-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
});

describe('sinklab mechanisms', () => {
  it('lists every mechanism with its variants', async () => {
    const { code, out } = await sinklab('mechanisms', '--list');
    expect(code).toBe(0);
    for (const { card, variants } of mechanismFiles) {
      expect(out).toMatch(new RegExp(`^${card}: `, 'm'));
      for (const { mechanism } of variants) expect(out).toContain(`    ${mechanism().name}\n`);
    }
  });

  it('names what there is when a card or a toy is asked for that is not', async () => {
    expect((await sinklab('mechanisms', 'phlogiston')).err).toMatch(
      /^sinklab: mechanisms: there is none of card "phlogiston"; there are affine-scaled-attention, /,
    );
    expect((await sinklab('mechanisms', 'structural-origin', '--toy', 'chess')).err).toBe(
      'sinklab: mechanisms: there is no toy "chess"; there are bigram-backcopy, bigram-backcopy-dirichlet, trigger-averaging, associative-recall\n',
    );
  });

  it('says why pages cannot be written', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    const small = ['--share', '0.0004', '--seeds', '1', '--workers', '1', '--out', folder];
    const { code, err } = await sinklab('mechanisms', 'structural-origin', ...small, '--pages', file);
    expect(code).toBe(1);
    expect(err).toContain(`sinklab: --pages ${file}: cannot be made (EEXIST)\n`);
  });

  it('puts the variants side by side, in the terminal, as JSON, as a page without scripts, and as a folder of pages', async () => {
    const [json, html, pages] = [join(folder, 'm.json'), join(folder, 'm.html'), join(folder, 'docs', 'pages')];
    const small = ['--share', '0.0004', '--seeds', '2', '--workers', '1', '--out', folder];
    const written = ['--json', json, '--html', html, '--pages', pages];
    const { code, out } = await sinklab('mechanisms', 'structural-origin', ...small, ...written);
    expect(code).toBe(0);
    expect(out).toMatch(/^Head-wise RMSNorm$/m);
    expect(out).toMatch(/bigram-backcopy \(2 steps, 0\.04.% of its own\); 2 seeds/);
    const report = JSON.parse(await readFile(json, 'utf8'));
    expect(report.format).toBe('sinklab.mechanisms/1');
    const [row] = report.mechanisms;
    // q, k, v, o of one head as wide as the stream, and the scale of the norm.
    expect(row.cost.parameters).toBe(4 * 64 * 64 + 64);
    expect(row.cost.state).toEqual({ perToken: 2 * 64 * 4, constant: 0 });
    expect(row.runs['bigram-backcopy'].map(({ seed }: { seed: number }) => seed)).toEqual([0, 1]);
    expect(await readFile(html, 'utf8')).not.toContain('<script');
    const names = ['README.md', 'overview.svg', 'structural-origin.md', 'structural-origin.svg'];
    expect((await readdir(pages)).sort()).toEqual(names);
    const texts = () => Promise.all(names.map((name) => readFile(join(pages, name), 'utf8')));
    const first = await texts();
    expect(first[0]).toContain('sinklab mechanisms structural-origin --seeds 2 --share 0.0004 --pages mechanisms');
    // From the results that were kept, over the files of before.
    await sinklab('mechanisms', 'structural-origin', ...small, '--pages', pages);
    expect(await texts()).toEqual(first);
  });
});

describe('sinklab claims', () => {
  it('lists what every card says', async () => {
    const { code, out } = await sinklab('claims', '--list');
    expect(code).toBe(0);
    for (const { card, statements } of claims) {
      expect(out).toMatch(new RegExp(`^${card}: `, 'm'));
      for (const { name } of statements) expect(out).toMatch(new RegExp(`^ {2}${name}: `, 'm'));
    }
  });

  it('names the cards there are when one is asked for that is not', async () => {
    const { code, err } = await sinklab('claims', 'phlogiston');
    expect(code).toBe(1);
    expect(err).toMatch(/^sinklab: claims: there is none of card "phlogiston"; there are /);
  });
});

describe('claims', () => {
  it('have one name each, statements with one name each, and settings that their experiment takes, small and large', () => {
    const cards = claims.map(({ card }) => card);
    expect(new Set(cards).size).toBe(cards.length);
    for (const { card, statements } of claims) {
      const names = statements.map(({ name }) => name);
      expect([card, new Set(names).size]).toEqual([card, names.length]);
      for (const { name, settings, experiment } of statements)
        for (const size of ['minutes', 'night'] as const)
          for (const [label, setting] of Object.entries(settings(size))) {
            const { error } = experiment.setting.safeParse(setting);
            expect([card, name, size, label, error?.issues]).toEqual([card, name, size, label, undefined]);
          }
    }
  });
});
