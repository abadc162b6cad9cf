import { expect, it } from 'vitest';
import { fromBlocks, toFourBits } from '../../src/load/weight-blocks.ts';
import { roundedWeights } from '../../src/models/rounded-weights.ts';
import { run } from '../../src/models/run.ts';
import { bundled } from '../fixtures.ts';
import { furthest, open, someIds } from './support.ts';

const [matrix, norm] = ['model.layers.0.self_attn.q_proj.weight', 'model.layers.0.input_layernorm.weight'];

it('matrices are rounded, norms are not', async () => {
  await using model = await open(bundled('families/llama'));
  const { weights } = roundedWeights(model, 'int4');
  const stored = await model.weights.get(matrix);
  expect(await weights.get(matrix)).toEqual(fromBlocks(toFourBits(stored)));
  expect(await weights.get(matrix)).not.toEqual(stored);
  expect(await weights.get(norm)).toEqual(await model.weights.get(norm));
});

it('a run of the rounded model is another one, and less so with more bits', async () => {
  await using model = await open(bundled('families/llama'));
  const logits = async (of: typeof model) => (await run(of, { ids: [someIds(13)] })).logits!.data as Float32Array;
  const stored = await logits(model);
  const eight = furthest(await logits(roundedWeights(model, 'int8')), stored);
  const four = furthest(await logits(roundedWeights(model, 'int4')), stored);
  expect(eight).toBeGreaterThan(1e-4);
  expect(four).toBeGreaterThan(4 * eight);
});
