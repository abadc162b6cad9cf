// Runs one file of examples/ against the built package: npm run example -- NAME [ARGUMENT …]
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformSync } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const [name, ...rest] = process.argv.slice(2);
const names = readdirSync(join(root, 'examples'))
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.replace(/\.ts$/, ''));
if (name === undefined || !names.includes(name)) {
  console.error(`npm run example -- NAME [ARGUMENT …], with NAME one of ${names.join(', ')}`);
  process.exit(2);
}
if (!existsSync(join(root, 'dist/index.js'))) {
  console.error('the package is not built yet: npm run build');
  process.exit(2);
}
const out = join(root, 'out', 'examples');
mkdirSync(out, { recursive: true });
const { code } = transformSync(readFileSync(join(root, 'examples', `${name}.ts`), 'utf8'), {
  loader: 'ts',
  format: 'esm',
  target: 'node20',
});
writeFileSync(join(out, `${name}.mjs`), code);
process.exitCode = spawnSync(process.execPath, [join(out, `${name}.mjs`), ...rest], { stdio: 'inherit' }).status ?? 1;
