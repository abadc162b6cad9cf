import { expect, it } from 'vitest';
import { languageModelTask } from '../../src/train/language-model.ts';
import { adamW } from '../../src/train/optimizers/adamw.ts';
import { compileStep } from '../../src/train/step.ts';
import { fixtures } from '../fixtures.ts';
import { furthest, openReference } from '../models/support.ts';
import { idsOf, llama, stateOf } from './support.ts';

const folder = fixtures();

it.skipIf(folder === undefined)(
  'ten AdamW steps on llama give the losses and weights of the reference (needs the reference fixtures)',
  async () => {
    const file = await openReference(`${folder}/gradients/adamw.safetensors`);
    const model = await llama();
    const task = languageModelTask(model.decoder);
    const optimizer = adamW({ beta1: 0.9, beta2: 0.95, epsilon: 1e-8 });
    const step = await compileStep(model.runtime, task, { optimizer, decay: 0.1, clip: 1 });
    const feeds = { ids: idsOf([...(await file.read('input.input_ids'))], [2, 13]) };
    let state = await stateOf(model, task, optimizer);
    const losses: number[] = [];
    let first = state.slots;
    const firstGradients = (name: string) => first.get(`v ${name}`)!.map((v) => Math.sqrt(v / (1 - 0.95)));
    for (let i = 0; i < 10; i++) {
      const result = await step.run(state, feeds, 1e-3);
      losses.push(result.loss);
      state = result.state;
      if (i === 0) first = state.slots;
    }
    expect(furthest(losses, await file.read('losses'))).toBeLessThan(2e-6);
    expect(state.step).toBe(10);
    const after = [...file.tensors.keys()].filter((name) => name.startsWith('after.'));
    expect(after.map((name) => name.slice(6)).sort()).toEqual([...state.parameters.keys()].sort());
    // The first step is g / (|g| + ε): where |g| is near ε, float noise in g moves the weight. Nowhere else.
    for (const name of after) {
      const [ours, theirs] = [state.parameters.get(name.slice(6))!, await file.read(name)];
      const noisy = firstGradients(name.slice(6)).map((g) => (g > 0 && g < 2e-6 ? 1 : 0));
      const apart = ours.map((value, i) => Math.abs(value - theirs[i]!));
      expect(Math.max(...apart.filter((_, i) => !noisy[i])), name).toBeLessThan(4e-6);
      expect(Math.max(...apart), name).toBeLessThan(1e-4);
    }
  },
);
