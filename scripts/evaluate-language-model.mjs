// Perplexity of a model and of a 5-gram model on the same tokens: node scripts/evaluate-language-model.mjs MODEL DATA [TEXTS]
// MODEL: a folder that `sinklab train` wrote; DATA: the folder where it keeps the encoded text (`--cache`, or OUT/data).
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { load, loss, openPackedDataset } from 'sinklab/node';
import { ngramPerplexity } from 'sinklab/train';

const [folder, data, texts = 'Infinity'] = process.argv.slice(2);
if (!folder || !data) {
  console.error('usage: node scripts/evaluate-language-model.mjs MODEL DATA [TEXTS]');
  process.exit(2);
}

const model = await load(folder);
const context = model.checkpoint.config.max_position_embeddings;
const validation = await openPackedDataset(join(data, 'validation.tokens'), {
  sequenceLength: context,
  shuffle: false,
});
const header = validation.header;

const sequences = Math.min(validation.sequences, Number(texts));
let [sum, tokens] = [0, 0];
for (let from = 0; from < sequences; from += 8) {
  const ids = [];
  for (let i = from; i < Math.min(from + 8, sequences); i++)
    ids.push([...(await validation.sequence(0, i))].map(Number));
  const found = await loss(model, { ids });
  sum += found.mean * found.tokens;
  tokens += found.tokens;
  if (process.stderr.isTTY) process.stderr.write(`\r${from + ids.length} of ${sequences} sequences`);
}
if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
const bytesPerToken = header.bytes / header.tokens;
const say = (name, mean, count) =>
  console.log(
    `${name}: perplexity ${Math.exp(mean).toFixed(2)}, ${mean.toFixed(4)} nats a token, ${(mean / Math.LN2 / bytesPerToken).toFixed(4)} bits a byte (${count} tokens)`,
  );
say('model', sum / tokens, tokens);

const idsOf = async (name) => {
  const bytes = await readFile(join(data, name));
  return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
};
const baseline = ngramPerplexity(await idsOf('training.tokens'), await idsOf('validation.tokens'), {
  order: 5,
  vocabularySize: header.tokenizer.vocabularySize,
});
say('5-gram, modified Kneser–Ney', baseline.loss, baseline.tokens);
await model.dispose();
