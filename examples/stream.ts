// Continues a text without end at constant memory: npm run example -- stream [MODEL]
import { createStream, generate, streamingLlm } from 'sinklab/cache';
import { load } from 'sinklab/node';

const model = await load(process.argv[2]);
const { tokenizer } = model;
if (!tokenizer) throw new Error('this model has no tokenizer');
const policy = streamingLlm({ sinks: 4, recent: 124 });
const stream = createStream(model, { policy });
await stream.read(tokenizer.encode('Once upon a time'));

// Three times as many tokens as the cache keeps; without maxTokens it would never end.
for await (const { text } of generate(stream, { maxTokens: 384, sampler: { temperature: 0.8, seed: 1 } }))
  process.stdout.write(text);
const { bytes } = stream.cache;
console.log(`\n${stream.lengths[0]} tokens read, ${stream.kept().length} kept, ${(bytes / 1e6).toFixed(1)} MB`);
await stream.dispose();
await model.dispose();
