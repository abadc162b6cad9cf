// Checks what would be published: the files, the exports, the command, and that a page can load what it may import.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const { exports, bin, files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const problems = [];

const packed = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
  cwd: root,
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'ignore'],
});
const answer = JSON.parse(packed.stdout);
const [listing] = Array.isArray(answer) ? answer : Object.values(answer);
const paths = listing.files.map(({ path }) => path);
const expected = [...files.filter((file) => file !== 'dist'), 'package.json'];
for (const path of paths)
  if (!path.startsWith('dist/') && !expected.includes(path)) problems.push(`${path} does not belong into the package`);
for (const path of expected) if (!paths.includes(path)) problems.push(`${path} is missing from the package`);

const targets = Object.entries(exports).filter(([, target]) => typeof target === 'object');
for (const [name, target] of targets)
  for (const path of Object.values(target))
    if (!paths.includes(path.slice(2))) problems.push(`export "${name}": ${path} is missing from the package`);

for (const path of Object.values(bin)) {
  const file = join(root, path);
  if (!existsSync(file)) {
    problems.push(`command: ${path} is missing`);
    continue;
  }
  if (!readFileSync(file, 'utf8').startsWith('#!/usr/bin/env node\n')) problems.push(`command: ${path} has no shebang`);
  try {
    accessSync(file, constants.X_OK);
  } catch {
    problems.push(`command: ${path} is not executable`);
  }
}

for (const [name, target] of targets) {
  const file = join(root, target.default);
  if (!existsSync(file)) continue;
  if (name !== './runtime/web') {
    await import(pathToFileURL(file).href).catch((error) =>
      problems.push(`import of "${name}" in Node: ${error.message}`),
    );
  }
  if (name.endsWith('/node')) continue;
  const bundle = {
    entryPoints: [file],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    logLevel: 'silent',
  };
  await build(bundle).catch(({ errors }) =>
    problems.push(`bundle of "${name}" for a page: ${errors.map(({ text }) => text).join('; ')}`),
  );
}

for (const problem of problems) console.log(problem);
console.log(
  `package: ${paths.length} files, ${(listing.size / 1000).toFixed(0)} kB packed, ${problems.length} problems`,
);
process.exit(problems.length === 0 ? 0 : 1);
