import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

/** Where prebuilt binaries of node-llama-cpp for the CPU are, by platform. */
const binaries: Readonly<Record<string, string>> = {
  'linux-x64': 'linux-x64',
  'linux-arm64': 'linux-arm64',
  'darwin-arm64': 'mac-arm64-metal',
  'darwin-x64': 'mac-x64',
  'win32-x64': 'win-x64',
  'win32-arm64': 'win-arm64',
};

/** Its binary comes from npm, so that no script has to fetch one. The variants for graphics cards, 600 MB, are left out. */
export function nodeLlamaCpp(cache: string, version: string): string {
  const binary = binaries[`${process.platform}-${process.arch}`];
  if (binary === undefined)
    throw new Error(`node-llama-cpp has no prebuilt binary for ${process.platform}-${process.arch}`);
  return install(
    join(cache, `node-llama-cpp-${version}`),
    [`node-llama-cpp@${version}`, `@node-llama-cpp/${binary}@${version}`],
    ['--omit=optional'],
  );
}

export function transformersJs(cache: string, version: string): string {
  return install(join(cache, `transformers-js-${version}`), [`@huggingface/transformers@${version}`], []);
}

/** Installs packages in a folder of their own, once, and gives the folder. */
function install(folder: string, packages: readonly string[], options: readonly string[]): string {
  const name = packages[0]!.replace(/@[^@]+$/, '');
  if (existsSync(join(folder, 'installed'))) return folder;
  console.error(`installing ${packages.join(', ')} in ${folder}`);
  mkdirSync(folder, { recursive: true });
  const { status, stderr } = spawnSync(
    'npm',
    [
      ...['install', '--prefix', folder, '--no-save', '--ignore-scripts', '--no-audit', '--no-fund'],
      ...options,
      ...packages,
    ],
    { encoding: 'utf8', shell: process.platform === 'win32' },
  );
  if (status !== 0) throw new Error(`${name} could not be installed:\n${stderr}`);
  mkdirSync(join(folder, 'installed'));
  return folder;
}
