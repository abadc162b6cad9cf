// What does the sink's value do? Zero the value of the first token in every layer and see the loss: npm run example -- remove-sink-value [MODEL]
// The control zeroes another token's value instead.
import { DEFAULT_TEXT, pageIds } from 'sinklab/load';
import { load, loss } from 'sinklab/node';
import { equal, iota, select, size, type Tensor } from 'sinklab/tensor';

const model = await load(process.argv[2]);
if (!model.tokenizer) throw new Error('this model has no tokenizer');
const { ids } = pageIds(DEFAULT_TEXT, model.tokenizer, { tokens: 200 });

type Values = Tensor<'B' | 'S' | 'G' | 'D'>;
const without = (position: number) => (v: Values) => select(equal(iota('S', size(v, 'S')), position), 0, v);

const plain = await loss(model, { ids: [ids] });
console.log(`as it is             ${plain.mean.toFixed(4)} nats`);
for (const [name, position] of [
  ['without token 0 ', 0],
  ['without token 20', 20],
] as const) {
  const { mean } = await loss(model, { ids: [ids] }, { edit: { 'blocks.*.attn.v.hook_out': without(position) } });
  console.log(`${name}     ${mean.toFixed(4)} nats, ${(mean - plain.mean).toFixed(4)} more`);
}
await model.dispose();
