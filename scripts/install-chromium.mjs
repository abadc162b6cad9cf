// Installs Chromium from Debian's packages where that needs no password; run it directly, or import `bringChromium`.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { findChromium } from './chromium.mjs';

/** What stands before a command to run it as root without being asked for a password; undefined where that is not possible. */
function asRoot() {
  if (process.getuid?.() === 0) return [];
  return spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0 ? ['sudo', '-n'] : undefined;
}

/** Chromium's program, installed if need be; undefined where there is none and it may not be installed. */
export function bringChromium() {
  const present = findChromium();
  if (present !== undefined || process.env.CHROMIUM !== undefined || !existsSync('/usr/bin/apt-get')) return present;
  const root = asRoot();
  if (root === undefined) return undefined;
  console.log('installing Chromium for the page tests: apt-get install chromium');
  const apt = (...options) => {
    const [program, ...rest] = [...root, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', ...options];
    return spawnSync(program, rest, { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'], timeout: 600_000 });
  };
  apt('update');
  const { status, stderr } = apt('install', '-y', '--no-install-recommends', 'chromium');
  if (status !== 0) console.log(`apt-get failed: ${stderr?.trim().split('\n').at(-1) || 'no answer in 10 minutes'}`);
  return findChromium();
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  console.log(`Chromium: ${bringChromium() ?? 'none; page tests will be left out'}`);
