// Text from a small model: node scripts/sample-text.mjs MODEL [PROMPT] [TOKENS] [TEMPERATURE] [SEED]. Every token runs the whole text again.
import { load, run } from 'sinklab/node';

const [folder, prompt = 'It was a dark night, and', count = '120', temperature = '0.7', seed = '0'] =
  process.argv.slice(2);
if (!folder) {
  console.error('usage: node scripts/sample-text.mjs MODEL [PROMPT] [TOKENS] [TEMPERATURE] [SEED]');
  process.exit(2);
}
/** Uniform in [0, 1) (mulberry32). */
let state = Number(seed) >>> 0;
const random = () => {
  state = (state + 0x6d2b79f5) >>> 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
};
const likeliest = 40;

const model = await load(folder);
const ids = [...model.tokenizer.encode(prompt)];
const V = model.decoder.sizes.V;
for (let i = 0; i < Number(count); i++) {
  const { logits } = await run(model, { ids: [ids] });
  const scores = Array.from(logits.data.subarray((ids.length - 1) * V, ids.length * V), (value, id) => ({ value, id }))
    .sort((a, b) => b.value - a.value)
    .slice(0, likeliest);
  const weights = scores.map(({ value }) => Math.exp((value - scores[0].value) / Number(temperature)));
  let left = random() * weights.reduce((a, b) => a + b, 0);
  let chosen = 0;
  while (chosen < weights.length - 1 && left >= weights[chosen]) left -= weights[chosen++];
  ids.push(scores[chosen].id);
}
console.log(model.tokenizer.decode(ids));
await model.dispose();
