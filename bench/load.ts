/** What a model costs before it runs: opening, reading or decoding every tensor, hashing the files. */
import { openLocal } from '../src/load/open-local.ts';
import { load } from '../src/models/load-node.ts';
import { median, megabytes, options, peakBytes, seconds, table } from './common.ts';

const given = options();
const checkpoint = await openLocal(given.model);
const names = [...checkpoint.tensors.keys()];
const stored = [...checkpoint.tensors.values()].reduce((total, { bytes }) => total + bytes, 0);
const steps: Record<string, () => unknown> = {
  'open and check the header': async () => (await openLocal(given.model)).close(),
  'load the model': async () => (await load(given.model, { threads: given.threads, tokenizer: 'none' })).dispose(),
  'read all tensors as float32': async () => {
    for (const name of names) await checkpoint.read(name);
  },
  'hash the files': async () => {
    const fresh = await openLocal(given.model);
    await fresh.files();
    await fresh.close();
  },
};
const results = [];
for (const [step, what] of Object.entries(steps)) {
  const times = [];
  for (let i = 0; i < given.repeat; i++) times.push(await seconds(what));
  results.push({ step, median: median(times), minimum: Math.min(...times) });
}
if (given.json) console.log(JSON.stringify({ model: given.model, stored, results, peakBytes: peakBytes() }, null, 2));
else {
  const rate = (step: string, time: number) => (/tensors|files/.test(step) ? `${megabytes(stored / time)}/s` : '');
  console.log(
    table([
      [`${names.length} tensors, ${megabytes(stored)}`, 'median s', 'min', 'stored bytes'],
      ...results.map((r) => [r.step, r.median.toFixed(3), r.minimum.toFixed(3), rate(r.step, r.median)]),
    ]),
  );
  console.log(`peak ${megabytes(peakBytes())}`);
}
