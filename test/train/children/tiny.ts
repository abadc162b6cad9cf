import { ConfigReader } from '../../../src/load/config.ts';
import { family } from '../../../src/models/families/llama.ts';
import { seededRandom, seedFor } from '../../../src/random.ts';
import { languageModelTask } from '../../../src/train/language-model.ts';

/** A llama of two layers of the given width with a vocabulary of 97. */
export function tinyTask(width: number, { B = 2, T = 15 } = {}) {
  const config = {
    ...{ model_type: 'llama', hidden_size: width, intermediate_size: 3 * width, num_hidden_layers: 2 },
    ...{ num_attention_heads: 4, vocab_size: 97, max_position_embeddings: 256 },
  };
  const reader = new ConfigReader(config, 'tiny');
  reader.string('model_type');
  return languageModelTask(family.build(reader, {} as never), { B, T });
}

export function tinyBatch(index: number, shape: readonly [number, number] = [2, 16]) {
  const random = seededRandom(seedFor(7, 'batch', index));
  const data = BigInt64Array.from({ length: shape[0] * shape[1] }, () => BigInt(Math.floor(random() * 97)));
  return { ids: { type: 'int64' as const, shape, data } };
}
