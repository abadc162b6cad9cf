import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const script = fileURLToPath(new URL('../../scripts/run-snippets.mjs', import.meta.url));
const fence = '```';

function runOn(...lines: string[]): { status: number | null; printed: string } {
  const folder = mkdtempSync(join(tmpdir(), 'sinklab-snippets-test-'));
  try {
    const document = join(folder, 'guide.md');
    writeFileSync(document, lines.join('\n'));
    const { status, stdout } = spawnSync(process.execPath, [script, document], { encoding: 'utf8' });
    return { status, printed: stdout.replaceAll(/ in [\d.]+ s/g, '') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const shell = (code: string, options = '') => [`<!-- run ${options}-->`, `${fence}sh`, code, fence];
const output = (text: string) => ['<!-- output -->', `${fence}text`, text, fence];

it('a marked block runs, and its stated output holds with … for anything', () => {
  const { status, printed } = runOn(
    '# Guide',
    '',
    ...shell('echo took 42 ms; echo done'),
    '',
    ...output('took … ms\ndone'),
  );
  expect(printed).toBe('ran guide.md:4\nsnippets: 1 ran, 0 failed, 0 left out\n');
  expect(status).toBe(0);
});

it('a stated line that is not printed, or printed out of order, fails by document and line', () => {
  const { status, printed } = runOn(...shell('echo a; echo b'), ...output('b\na'));
  expect(printed).toContain('FAILED guide.md:6: stated but not printed: a\n');
  expect(status).toBe(1);
});

it('an exit code other than the stated one fails', () => {
  expect(runOn(...shell('exit 3', 'exit=3 ')).status).toBe(0);
  const { status, printed } = runOn(...shell('false | true'));
  expect(printed).toContain('FAILED guide.md:2: exit code 1 instead of 0');
  expect(status).toBe(1);
});

it('a block that goes on beyond its time limit is ended and fails', () => {
  const { status, printed } = runOn(...shell('exec sleep 20', 'seconds=0.3 '));
  expect(printed).toContain('ended by SIGKILL (time limit 0.3 s)');
  expect(status).toBe(1);
});

it('unmarked blocks are left alone, and a block whose program is absent is left out with a word', () => {
  const { status, printed } = runOn(`${fence}sh`, 'exit 1', fence, ...shell('exit 1', 'needs=no-such-program '));
  expect(printed).toBe('left out guide.md:5: needs no-such-program\nsnippets: 0 ran, 0 failed, 1 left out\n');
  expect(status).toBe(0);
});

it('a marker without a block behind it is an error', () => {
  expect(runOn('<!-- run -->', '', `${fence}sh`, 'true', fence).status).toBe(1);
});
