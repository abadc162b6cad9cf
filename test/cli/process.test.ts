import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bundled } from '../fixtures.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
let folder: string;
let command: string;

/** The command as one file, inside node_modules so that packages are found. */
beforeAll(async () => {
  const cache = join(root, 'node_modules', '.cache');
  await mkdir(cache, { recursive: true });
  folder = await mkdtemp(join(cache, 'sinklab-'));
  command = join(folder, 'dist', 'cli', 'main.js');
  await cp(join(root, 'package.json'), join(folder, 'package.json'));
  await build({
    entryPoints: [join(root, 'src/cli/main.ts')],
    outfile: command,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    logLevel: 'error',
  });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function start(...args: string[]) {
  const child = spawn(process.execPath, [command, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.on('data', (data) => {
    out += data;
  });
  child.stderr.on('data', (data) => {
    err += data;
  });
  const done = new Promise<{ code: number | null; out: string; err: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, out, err })),
  );
  return { child, done };
}

const llama = bundled('families/llama');

it('the command runs as a program: results on standard output, notes on standard error, no colour in a pipe', async () => {
  const { code, out, err } = await start('verify', llama).done;
  expect(code).toBe(0);
  expect(out.endsWith('verify: holds\n')).toBe(true);
  expect((out + err).includes('\u001b')).toBe(false);
});

it('a reader that goes away is no error', async () => {
  const { child, done } = start('info', llama, '--json');
  child.stdout.destroy();
  const { err } = await done;
  expect(err).toBe('');
});

it('Ctrl-C ends a capture with exit code 130 and leaves nothing behind', async () => {
  const target = join(folder, 'out');
  await mkdir(target);
  const out = join(target, 'x.safetensors');
  const ids = Array.from({ length: 2000 }, (_, i) => i % 97).join(',');
  const { child, done } = start('capture', llama, '--hook', 'attn.hook_pattern', '--ids', ids, '--out', out);
  // Its first note comes when everything is loaded and the run begins.
  child.stderr.once('data', () => child.kill('SIGINT'));
  const { code, err } = await done;
  expect({ code, interrupted: err.includes('sinklab: interrupted\n') }).toEqual({ code: 130, interrupted: true });
  expect(await readdir(target)).toEqual([]);
});
