// Brings what the tests need, runs them all (or those named), and ends with `N passed, N failed, N skipped`.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bringChromium } from './install-chromium.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

const chromium = bringChromium();
const fixtures = process.env.SINKLAB_FIXTURES ?? join(root, '../shared/fixtures');
const leftOut = [
  chromium === undefined && 'the page (apt-get install chromium, or set CHROMIUM to its program)',
  !existsSync(fixtures) && 'the fixtures that are not in the repository (set SINKLAB_FIXTURES to their folder)',
].filter(Boolean);
if (leftOut.length > 0) console.log(`left out: tests of ${leftOut.join('; of ')}`);

const vitest = createRequire(import.meta.url).resolve('vitest/package.json');
const out = mkdtempSync(join(tmpdir(), 'sinklab-test-'));
const file = join(out, 'report.json');
const { status } = spawnSync(
  process.execPath,
  [
    join(dirname(vitest), 'vitest.mjs'),
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${file}`,
    ...process.argv.slice(2),
  ],
  { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] },
);

let report = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults: [] };
try {
  report = JSON.parse(readFileSync(file, 'utf8'));
} catch {
  console.log('the test runner wrote no report');
}
rmSync(out, { recursive: true, force: true });

const tests = report.testResults.flatMap((result) => result.assertionResults);
const unmet = tests.filter((test) => test.status !== 'passed' && test.status !== 'failed');
for (const title of new Set(unmet.map((test) => test.fullName.trim()))) console.log(`skipped: ${title}`);

// A file that fails outside its tests has no failed test of its own.
const broken = report.testResults.filter(
  (result) => result.status === 'failed' && !result.assertionResults.some((test) => test.status === 'failed'),
).length;
const failed = report.numFailedTests + broken;
const code = status ?? 1;
console.log(
  `${report.numPassedTests} passed, ${failed + (code !== 0 && failed === 0 ? 1 : 0)} failed, ${unmet.length} skipped`,
);
process.exitCode = code;
