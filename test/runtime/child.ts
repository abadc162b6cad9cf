import { execFile } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';

/** Runs test/runtime/children/NAME.ts in a process of its own; its last line of output is JSON. */
export async function child<T>(name: string, args: readonly string[] = [], flags: readonly string[] = []) {
  const root = join(import.meta.dirname, '../..');
  const folder = join(root, 'node_modules/.cache/sinklab-test');
  await mkdir(folder, { recursive: true });
  const outfile = join(folder, `${name}-${process.pid}.mjs`);
  await build({
    entryPoints: [join(import.meta.dirname, 'children', `${name}.ts`)],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    packages: 'external',
  });
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [...flags, outfile, ...args]);
    return { result: JSON.parse(stdout.trim().split('\n').pop()!) as T, stderr };
  } finally {
    await rm(outfile);
  }
}
