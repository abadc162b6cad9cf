import { describe, expect, it } from 'vitest';
import { openFile } from '../../src/load/bytes-node.ts';
import { openLocal } from '../../src/load/open-local.ts';
import { openSafetensorsFile } from '../../src/load/safetensors-file.ts';
import { logits } from '../../src/models/forward.ts';
import { createHooks } from '../../src/models/hooks.ts';
import { batchInputs } from '../../src/models/input.ts';
import { createModel } from '../../src/models/model.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import {
  add,
  equal,
  exp,
  gradients,
  highest,
  input,
  iota,
  log,
  lower,
  mean,
  merge,
  negate,
  type Output,
  select,
  slice,
  subtract,
  sum,
  type Tensor,
} from '../../src/tensor/index.ts';
import type { Node } from '../../src/tensor/tensor.ts';
import { bundled, fixtures } from '../fixtures.ts';

const folder = fixtures();

describe.skipIf(folder === undefined)('gradients of a whole model (needs the reference fixtures)', () => {
  it('equal the reference for every weight, the embeddings and every attention matrix of llama', async () => {
    const file = await openSafetensorsFile(await openFile(`${folder}/gradients/llama.safetensors`));
    await using model = createModel({
      checkpoint: await openLocal(bundled('families/llama')),
      runtime: nodeRuntime({ threads: 1 }),
    });
    const { ids, places } = batchInputs(false);
    const points = new Map<string, Tensor<string>>();
    const hooks = createHooks({
      reads: (name) => name.endsWith('hook_pattern') || name === 'embed.hook_out',
      read: (name, value) => points.set(name, value),
      watched: true,
    });
    const scores = slice(logits(model.decoder, ids, places, hooks), 'T', 0, 12);
    const targets = input('targets', { B: 'B', T: 12 }, 'int64');
    const top = highest(scores, 'V');
    const spread = add(log(sum(exp(subtract(scores, top)), 'V')), top);
    const chosen = sum(select(equal(iota('V', model.decoder.sizes.V), targets), scores, 0), 'V');
    const loss = negate(mean(subtract(chosen, spread), ['B', 'T']));
    const weights = weightNodes(loss.node);
    const all = [...points, ...weights] as [string, Tensor<string>][];
    const found = gradients(
      loss,
      all.map(([, value]) => value),
    ) as Tensor<string>[];
    const outputs: Record<string, Output> = { loss: { value: loss } };
    all.forEach(([name, value], i) => {
      const pattern = name.endsWith('hook_pattern');
      outputs[`grad ${name}`] = pattern
        ? { value: merge(found[i] as unknown as Tensor<'G' | 'R'>, ['G', 'R'], 'H'), order: ['B', 'H', 'T', 'S'] }
        : { value: found[i]!, order: name === 'embed.hook_out' ? ['B', 'T', 'M'] : [...value.node.axes.keys()] };
    });
    const graph = lower(outputs, { weights: 'inputs' });
    const program = await model.runtime.compile(graph);
    const flat = Array.from(await file.read('input.input_ids'), BigInt);
    const feeds: Parameters<typeof program.run>[0] = {
      ids: { type: 'int64', shape: [2, 13], data: BigInt64Array.from(flat) },
      targets: { type: 'int64', shape: [2, 12], data: BigInt64Array.from([...flat.slice(1, 13), ...flat.slice(14)]) },
      ...Object.fromEntries(
        await Promise.all(
          graph.weights.map(async ({ input: name, weight, shape }) => [
            name,
            { type: 'float32', shape, data: await model.weights.get(weight) },
          ]),
        ),
      ),
    };
    const values = await program.run(feeds);
    const expected = async (name: string) => file.read(name);
    expect(values.loss!.data[0]).toBeCloseTo((await expected('loss'))[0]!, 5);
    for (const [name] of all) {
      const [, layer] = /^blocks\.(\d+)\.attn\.hook_pattern$/.exec(name) ?? [];
      const reference = await expected(
        layer ? `grad.attentions.${layer}` : name === 'embed.hook_out' ? 'grad.embeddings' : `grad.${name}`,
      );
      const ours = values[`grad ${name}`]!.data as Float32Array;
      expect(ours.length, name).toBe(reference.length);
      const worst = Math.max(...reference.map((value, i) => Math.abs(value - ours[i]!)));
      expect(worst, name).toBeLessThan(2e-6);
    }
    await file.close();
  });
});

function weightNodes(root: Node): Map<string, Tensor<string>> {
  const found = new Map<string, Tensor<string>>();
  const seen = new Set([root]);
  for (const node of seen) {
    for (const next of node.inputs) seen.add(next);
    if (node.operator.name === 'weight') found.set(node.attributes.name as string, node as unknown as Tensor<string>);
  }
  return found;
}
