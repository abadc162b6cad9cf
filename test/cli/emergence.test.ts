import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { sinklab } from './terminal.ts';

const small = ['--steps', '2', '--batch', '2', '--seeds', '1', '--workers', '1'];

describe('sinklab emergence', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sinklab-emergence-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
  });

  it('lists its factors', async () => {
    const { code, out } = await sinklab('emergence', '--list');
    expect(code).toBe(0);
    for (const name of ['steps', 'learning-rate', 'first-token', 'biases', 'operation'])
      expect(out).toMatch(new RegExp(`^${name}$`, 'm'));
  });

  it('names the factors there are when one is asked for that is not', async () => {
    const { code, err } = await sinklab('emergence', 'moon-phase');
    expect(code).toBe(1);
    expect(err).toMatch(/^sinklab: emergence: there is no factor "moon-phase"; there are steps, learning-rate, /);
  });

  it('trains, tells figures beside the published ones, and writes JSON and a page without scripts', async () => {
    const [json, html] = [join(folder, 'e.json'), join(folder, 'e.html')];
    const { code, out } = await sinklab(
      'emergence',
      'prefix',
      ...small,
      '--out',
      folder,
      '--json',
      json,
      '--html',
      html,
    );
    expect(code).toBe(0);
    expect(out).toMatch(/^Prefix language model: /);
    expect(out).toMatch(/prefix of 5 +\d+.%/);
    const report = JSON.parse(await readFile(json, 'utf8'));
    expect(report.factors[0].rows.map(({ label }: { label: string }) => label)).toEqual(['causal', 'prefix of 5']);
    const page = await readFile(html, 'utf8');
    expect(page).toContain('<svg');
    expect(page).not.toContain('<script');
  });

  it('runs nothing a second time', async () => {
    const run = () => sinklab('emergence', 'steps', ...small, '--out', folder);
    const first = await run();
    expect(await readdir(join(folder, 'emergence'))).toHaveLength(1);
    const { out } = await run();
    expect(out).toBe(first.out);
  });
});
