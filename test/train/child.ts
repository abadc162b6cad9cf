import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { onTestFinished } from 'vitest';

/** test/train/children/NAME.ts as one file that Node can run in a process of its own; removed after the test. */
export async function bundled(name: string): Promise<string> {
  const root = join(import.meta.dirname, '../..');
  const folder = join(root, 'node_modules/.cache/sinklab-test');
  await mkdir(folder, { recursive: true });
  const outfile = join(folder, `train-${name}-${process.pid}.mjs`);
  await build({
    entryPoints: [join(import.meta.dirname, 'children', `${name}.ts`)],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    packages: 'external',
  });
  onTestFinished(() => rm(outfile));
  return outfile;
}
