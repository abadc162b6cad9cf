/** Our side: a stream whose cache keeps everything. */
import { createStream, DecodingEngine, full, type Stream } from '../../src/cache/index.ts';
import { load } from '../../src/index-node.ts';
import type { WeightPrecision } from '../../src/models/weight-data.ts';
import { argmax, serve } from './serve.ts';

await serve(async ({ model: path, threads, weights }) => {
  const model = await load(path, { threads, tokenizer: 'none' });
  const engine = new DecodingEngine(model, { weights: weights as WeightPrecision });
  let stream: Stream;
  return {
    version: `${weights} weights`,
    async clear(tokens) {
      stream = createStream(model, { policy: full({ capacity: tokens }), engine });
    },
    async prefill(ids) {
      await stream.read(ids);
      return argmax(stream.logits[0]!);
    },
    async next(id) {
      await stream.next([id]);
      return argmax(stream.logits[0]!);
    },
  };
});
