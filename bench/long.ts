/** A scan of a long text: seconds a layer and peak memory, each length and chunk size in a process of its own. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { TokenInfo } from '../src/load/token-roles.ts';
import { scan } from '../src/measure/scan.ts';
import { load } from '../src/models/load-node.ts';
import { megabytes, options, peakBytes, readIds, seconds, table } from './common.ts';

const given = options();

if (given.mode === 'one') {
  const ids = readIds(given.ids, given.tokens);
  const tokens = ids.map((id, position): TokenInfo => ({ id, position, text: '?', role: 'text', class: 'letter' }));
  const model = await load(given.model, { threads: given.threads, tokenizer: 'none' });
  const { L } = model.decoder.sizes;
  const started = performance.now();
  const marks: number[] = [];
  const spent = await seconds(() =>
    scan(
      model,
      { page: ids, tokens },
      {
        chunk: given.chunk!,
        progress: (done) => {
          marks.push((performance.now() - started) / 1000);
          if (process.stderr.isTTY) process.stderr.write(`\rlayer ${done} of ${L} `);
        },
      },
    ),
  );
  const layer = (marks.at(-1)! - marks[0]!) / (L - 1);
  console.log(
    JSON.stringify({ tokens: ids.length, chunk: given.chunk, seconds: spent, layer, peakBytes: peakBytes() }),
  );
  process.exit(0);
}

const aims = new Map([
  [8192, 2e9],
  [32768, 3e9],
]);
const lengths = given.tokens === undefined ? [...aims.keys()] : [given.tokens];
const results = lengths.flatMap((tokens) =>
  (given.chunk === undefined ? (tokens > 8192 ? [128] : [64, 128, 256]) : [given.chunk]).map((chunk) => {
    const args = ['--model', given.model, '--ids', given.ids!, '--threads', String(given.threads), '--mode', 'one'];
    const { stdout, status } = spawnSync(
      process.execPath,
      [fileURLToPath(import.meta.url), ...args, '--tokens', String(tokens), '--chunk', String(chunk)],
      { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' },
    );
    if (status !== 0) process.exit(1);
    return JSON.parse(stdout) as { tokens: number; chunk: number; seconds: number; layer: number; peakBytes: number };
  }),
);
if (given.json) console.log(JSON.stringify(results, null, 2));
else
  console.log(
    table([
      ['scan', 'chunk', 'seconds', 's a layer', 'peak', 'aim under'],
      ...results.map((r) => [
        `${r.tokens} tokens`,
        String(r.chunk),
        r.seconds.toFixed(1),
        r.layer.toFixed(2),
        megabytes(r.peakBytes),
        aims.has(r.tokens) ? megabytes(aims.get(r.tokens)!) : '',
      ]),
    ]),
  );
