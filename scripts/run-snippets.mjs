// Runs the code blocks of README.md and docs/*.md that are marked by a comment on the line before them:
//
//   <!-- run -->                      runs an sh, js or ts block; it must exit with 0
//   <!-- run seconds=60 exit=1 -->    its time limit (default 120) and exit code (default 0)
//   <!-- run needs=chromium -->       left out, with a word, where that program is not on the search path
//   <!-- run name=plot.ts -->         keeps the block as a file of that name for later blocks
//   <!-- check -->                    type-checks a ts block without running it
//   <!-- output -->                   before the block that shows what the one before prints: its lines must come in this order,
//                                     and … stands for anything
//
// Blocks of one document share an empty folder in which `sinklab` is on the search path and importable.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transform } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/[\\/]$/, '');

/** The marked blocks of a Markdown text, in order. */
function blocksOf(text) {
  const lines = text.split('\n');
  const blocks = [];
  for (let i = 0; i < lines.length; i++) {
    const marker = /^\s*<!--\s*(run|check|output)\b(.*?)-->\s*$/.exec(lines[i]);
    if (!marker) continue;
    const fence = /^\s*(`{3,})(\w*)\s*$/.exec(lines[i + 1] ?? '');
    if (!fence) throw new Error(`line ${i + 1}: expected a code block after the comment`);
    const end = lines.findIndex((line, at) => at > i + 1 && line.trim() === fence[1]);
    if (end < 0) throw new Error(`line ${i + 2}: the code block does not end`);
    const options = Object.fromEntries([...marker[2].matchAll(/(\w+)=(\S+)/g)].map(([, key, value]) => [key, value]));
    blocks.push({
      kind: marker[1],
      options,
      language: fence[2],
      line: i + 2,
      code: lines.slice(i + 2, end).join('\n'),
    });
    i = end;
  }
  return blocks;
}

/** The first line of `stated` that does not come, in order, in `actual`; undefined when all do. */
function missingLine(stated, actual) {
  const escaped = (line) =>
    line
      .trim()
      .split('…')
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*');
  let rest = actual.split('\n');
  for (const line of stated.split('\n').filter((line) => line.trim() !== '' && line.trim() !== '…')) {
    const at = rest.findIndex((candidate) => new RegExp(`^${escaped(line)}$`).test(candidate.trim()));
    if (at < 0) return line;
    rest = rest.slice(at + 1);
  }
  return undefined;
}

function project() {
  const folder = mkdtempSync(join(tmpdir(), 'sinklab-snippets-'));
  mkdirSync(join(folder, 'node_modules', '.bin'), { recursive: true });
  symlinkSync(root, join(folder, 'node_modules', 'sinklab'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module", "private": true }\n');
  const command = join(folder, 'node_modules', '.bin', 'sinklab');
  writeFileSync(command, `#!/bin/sh\nexec "${process.execPath}" "${join(root, 'dist/cli/main.js')}" "$@"\n`);
  chmodSync(command, 0o755);
  return folder;
}

const onPath = (program) => process.env.PATH.split(delimiter).some((folder) => existsSync(join(folder, program)));

function typeErrors(folder, file) {
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--skipLibCheck'];
  const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules/@types')];
  const { status, stdout } = spawnSync(join(root, 'node_modules/.bin/tsc'), [...options, ...types, file], {
    cwd: folder,
    encoding: 'utf8',
  });
  return status === 0 ? '' : stdout;
}

/** Runs one block; answers what went wrong, or '' and what it printed. */
async function run(folder, { kind, options, language, code, line }) {
  const file = options.name ?? `block-${line}.${language}`;
  writeFileSync(join(folder, file), `${code}\n`);
  let command = ['bash', '-euo', 'pipefail', file];
  if (language === 'ts' || language === 'js') {
    const wrong = language === 'ts' ? typeErrors(folder, file) : '';
    if (wrong !== '' || kind === 'check') return { problem: wrong, printed: '' };
    const script = file.replace(/\.ts$/, '.mjs');
    if (language === 'ts')
      writeFileSync(
        join(folder, script),
        (await transform(code, { loader: 'ts', format: 'esm', target: 'node20' })).code,
      );
    command = [process.execPath, script];
  } else if (language !== 'sh') return { problem: `a block of language "${language}" cannot be run`, printed: '' };
  const seconds = Number(options.seconds ?? 120);
  const { status, signal, stdout, stderr } = spawnSync(command[0], command.slice(1), {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: seconds * 1000,
    killSignal: 'SIGKILL',
    maxBuffer: 64e6,
    env: { ...process.env, NO_COLOR: '1', PATH: `${join(folder, 'node_modules/.bin')}${delimiter}${process.env.PATH}` },
  });
  const printed = `${stdout}${stderr}`;
  if (signal !== null) return { problem: `ended by ${signal} (time limit ${seconds} s)\n${printed}`, printed };
  const wanted = Number(options.exit ?? 0);
  return { problem: status === wanted ? '' : `exit code ${status} instead of ${wanted}\n${printed}`, printed };
}

const named = process.argv.slice(2);
const docs = join(root, 'docs');
const documents =
  named.length > 0
    ? named
    : [
        join(root, 'README.md'),
        ...readdirSync(docs, { recursive: true })
          .filter((file) => file.endsWith('.md'))
          .sort()
          .map((file) => join(docs, file)),
      ];

let [ran, failed, skipped] = [0, 0, 0];
for (const document of documents) {
  const folder = project();
  let printed;
  for (const block of blocksOf(readFileSync(document, 'utf8'))) {
    const place = `${basename(document)}:${block.line}`;
    let problem = '';
    if (block.kind === 'output') {
      if (printed === undefined) continue;
      const missing = missingLine(block.code, printed);
      if (missing !== undefined) problem = `stated but not printed: ${missing}\nprinted:\n${printed}`;
    } else {
      printed = undefined;
      if (block.options.needs !== undefined && !onPath(block.options.needs)) {
        console.log(`left out ${place}: needs ${block.options.needs}`);
        skipped++;
        continue;
      }
      const start = performance.now();
      ({ problem, printed } = await run(folder, block));
      ran++;
      console.log(
        `${block.kind === 'run' ? 'ran' : 'checked'} ${place} in ${((performance.now() - start) / 1000).toFixed(1)} s`,
      );
    }
    if (problem !== '') {
      failed++;
      console.log(`FAILED ${place}: ${problem}`);
    }
  }
  rmSync(folder, { recursive: true, force: true });
}
console.log(`snippets: ${ran} ran, ${failed} failed, ${skipped} left out`);
process.exit(failed === 0 ? 0 : 1);
