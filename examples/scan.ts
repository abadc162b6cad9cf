// Scans the default model (or the one named) and prints what it says: npm run example -- scan [MODEL]
import { DEFAULT_TEXT, describeTokens, pageIds, protocolTexts } from 'sinklab/load';
import { scan } from 'sinklab/measure';
import { load } from 'sinklab/node';

const model = await load(process.argv[2]);
const { tokenizer } = model;
if (!tokenizer) throw new Error('this model has no tokenizer');
const { ids: page } = pageIds(DEFAULT_TEXT, tokenizer, { tokens: 300 });
const { ids: texts } = protocolTexts(DEFAULT_TEXT, tokenizer, { texts: 20 });

const found = await scan(model, { page, texts, tokens: describeTokens(page, tokenizer) });
const [rate] = found.sinkRates;
console.log(`sink rate ${rate?.rate.mean.toFixed(3)}, under uniform attention ${rate?.uniform.toFixed(3)}`);
for (const { position, text, received, excess } of found.page.sinks)
  console.log(
    `token ${position} ${JSON.stringify(text)} receives ${received.toFixed(3)}, ${excess.toFixed(3)} more than chance`,
  );
await model.dispose();
