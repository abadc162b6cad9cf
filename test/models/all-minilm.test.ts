import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { run } from '../../src/models/run.ts';
import { furthest, open } from './support.ts';

const folder = join(process.env.SINKLAB_MODELS ?? '', 'all-minilm-l6-v2');
/** "Attention sinks are the tokens that everybody looks at." between [CLS] and [SEP]. */
const ids = [[101, 3086, 23462, 2024, 1996, 19204, 2015, 2008, 7955, 3504, 2012, 1012, 102]];
/** What transformers 5.23 makes of it. */
const recorded = {
  first: [0.280958, -0.163601, 0.315736, 0.262793, 0.122189, -0.027946],
  last: [0.812025, 0.222908, 0.100278, -0.106321],
  pooler: [-0.01674, 0.014012, 0.02045, 0.051806, -0.056396, 0.027937],
  sentence: [0.044255, -0.041865, 0.024406, 0.036579, 0.026881, -0.002007, 0.040958, 0.046048],
  /** Mean attention that [CLS] and [SEP] receive in each layer. */
  toFirst: [0.240973, 0.568534, 0.58285, 0.523236, 0.609886, 0.403413],
  toLast: [0.090889, 0.023763, 0.012705, 0.037921, 0.036983, 0.038346],
};

it.skipIf(!existsSync(folder))(
  'all-MiniLM-L6-v2 gives hidden states, patterns and a sentence embedding as recorded (needs SINKLAB_MODELS, a folder of models)',
  async () => {
    await using model = await open(folder);
    const { logits, outputs, captured } = await run(
      model,
      { ids },
      { capture: ['ln_final.hook_out', 'blocks.*.attn.hook_pattern'] },
    );
    expect(logits).toBeUndefined();
    const hidden = captured.get('ln_final.hook_out')!.data as Float32Array;
    const [T, M] = [13, 384];
    expect(hidden.length).toBe(T * M);
    expect(furthest(hidden.subarray(0, 6), recorded.first)).toBeLessThan(1e-5);
    expect(furthest(hidden.subarray(-4), recorded.last)).toBeLessThan(1e-5);
    const pooled = outputs.get('pooler_output')!;
    expect(pooled.shape).toEqual([1, M]);
    expect(furthest((pooled.data as Float32Array).subarray(0, 6), recorded.pooler)).toBeLessThan(1e-5);
    const mean = Array.from(
      { length: M },
      (_, m) => hidden.reduce((sum, x, i) => (i % M === m ? sum + x : sum), 0) / T,
    );
    const length = Math.hypot(...mean);
    const sentence = mean.map((x) => x / length);
    expect(furthest(sentence.slice(0, 8), recorded.sentence)).toBeLessThan(1e-5);
    const received = (key: number) =>
      Array.from({ length: 6 }, (_, layer) => {
        const pattern = captured.get(`blocks.${layer}.attn.hook_pattern`)!.data as Float32Array;
        return pattern.reduce((sum, weight, i) => (i % T === key ? sum + weight : sum), 0) / (12 * T);
      });
    expect(furthest(received(0), recorded.toFirst)).toBeLessThan(1e-5);
    expect(furthest(received(T - 1), recorded.toLast)).toBeLessThan(1e-5);
  },
);
