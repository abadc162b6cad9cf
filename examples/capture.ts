// Captures patterns and residual streams of one sentence into a safetensors file: npm run example -- capture OUT.safetensors [MODEL]
import { load, run, writeSafetensors } from 'sinklab/node';

const [out = 'capture.safetensors', name] = process.argv.slice(2);
const model = await load(name);
if (!model.tokenizer) throw new Error('this model has no tokenizer');
const ids = model.tokenizer.encode('A few meaningless tokens swallow the attention of a model.');
const { captured } = await run(
  model,
  { ids: [ids] },
  {
    capture: ['blocks.*.attn.hook_pattern', 'blocks.*.hook_out'],
    logits: false,
  },
);
const tensors = new Map(
  [...captured].map(([hook, { shape, data }]) => [
    hook,
    { dtype: 'F32' as const, shape, values: data as Float32Array },
  ]),
);
await writeSafetensors(out, tensors, new Map([['ids', JSON.stringify(ids)]]));
console.log(`${tensors.size} tensors of ${ids.length} tokens in ${out}`);
await model.dispose();
