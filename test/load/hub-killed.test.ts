import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, it } from 'vitest';
import { hubModel } from '../../src/load/hub-node.ts';
import { fakeHub } from './fake-hub.ts';

it('a process killed in the middle of a download leaves no half file under a final name, and the next one goes on', async () => {
  const home = mkdtempSync(join(tmpdir(), 'sinklab-killed-'));
  const weights = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, index) => index % 241));
  const file = (text: string) => ({ content: Buffer.from(text) });
  // The hub sends 100,000 bytes and then holds the line.
  const held = { content: weights, lfs: true, cuts: [100_000], hold: 60_000 };
  const hub = await fakeHub('org/tiny', {
    'config.json': file('{}'),
    'tokenizer.json': file('[]'),
    'tokenizer_config.json': file('{ }'),
    'model.safetensors': held,
  });
  try {
    const entry = join(home, 'child.mjs');
    await build({
      stdin: {
        contents: `import { hubModel } from ${JSON.stringify(fileURLToPath(new URL('../../src/load/hub-node.ts', import.meta.url)))}; await hubModel('org/tiny');`,
        resolveDir: home,
      },
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile: entry,
      logLevel: 'silent',
      banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    });
    const env = { HF_HOME: home, HF_ENDPOINT: hub.url };
    const child = spawn(process.execPath, [entry], { env: { ...process.env, ...env }, stdio: 'ignore' });
    const ended = new Promise((done) => child.once('exit', done));
    const blobs = join(home, 'hub/models--org--tiny/blobs');
    const part = () =>
      existsSync(blobs) ? readdirSync(blobs).find((name) => name.endsWith('.incomplete')) : undefined;
    await expect
      .poll(() => (part() === undefined ? 0 : statSync(join(blobs, part()!)).size), { timeout: 20_000 })
      .toBe(100_000);
    child.kill('SIGKILL');
    await ended;
    expect(
      readdirSync(blobs)
        .map((name) => statSync(join(blobs, name)).size)
        .sort((a, b) => a - b),
    ).toEqual([2, 2, 3, 100_000]);
    expect(part()).toMatch(/^[0-9a-f]{64}\.incomplete$/);
    expect(readdirSync(join(home, 'hub/models--org--tiny/snapshots', hub.commit)).sort()).toEqual([
      'config.json',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);

    const { path } = await hubModel('org/tiny', { env });
    expect(readFileSync(join(path, 'model.safetensors')).equals(weights)).toBe(true);
    expect(hub.requests.at(-1)!.range).toBe('bytes=100000-');
  } finally {
    await hub.close();
    rmSync(home, { recursive: true });
  }
});
