// Runs a benchmark on what the build made: `npm run bench -- [compare|long|page|load|train|stream|endless|experts] [options]`. Default: compare.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const dist = process.env.SINKLAB_DIST ?? join(here, '../dist');
const out = join(here, '../node_modules/.cache/bench');
const names = ['compare', 'long', 'page', 'load', 'train', 'stream', 'endless', 'experts'];
const sides = ['ours', 'stream/sinklab', 'stream/node-llama-cpp', 'stream/transformers-js'];
const [first = 'compare', ...rest] = process.argv.slice(2);
const [name, options] = first.startsWith('-') ? ['compare', process.argv.slice(2)] : [first, rest];

if (!names.includes(name)) {
  console.error(`bench: expected ${names.join(', ')}, got "${name}"`);
  process.exit(2);
}
if (!existsSync(join(dist, 'index.js'))) {
  console.error('bench: there is no dist; run `npm run build` first');
  process.exit(2);
}
// The library is what ships: imports of ../src are those of dist.
const builtLibrary = {
  name: 'built library',
  setup(esbuild) {
    esbuild.onResolve({ filter: /\/src\/.*\.ts$/ }, ({ path }) => ({
      path: pathToFileURL(join(dist, path.replace(/^.*\/src\//, '').replace(/\.ts$/, '.js'))).href,
      external: true,
    }));
  },
};
await build({
  entryPoints: [...names, ...sides].map((entry) => join(here, `${entry}.ts`)),
  outdir: out,
  outbase: here,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  packages: 'external',
  logLevel: 'warning',
  plugins: [builtLibrary],
});
const { status } = spawnSync(process.execPath, ['--expose-gc', join(out, `${name}.mjs`), ...options], {
  stdio: 'inherit',
  env: { ...process.env, SINKLAB_BENCH: here },
});
process.exit(status ?? 1);
