import { describe, expect, it } from 'vitest';
import type { Edits } from '../../src/models/hooks.ts';
import { run } from '../../src/models/run.ts';
import { multiply } from '../../src/tensor/index.ts';
import { decoderFromConfig } from '../../src/train/decoder-config.ts';
import { languageModelTask } from '../../src/train/language-model.ts';
import { sinkRateOf } from '../../src/train/language-model-watch.ts';
import { sgd } from '../../src/train/optimizers/sgd.ts';
import { parametersOf } from '../../src/train/parameter.ts';
import { initialState } from '../../src/train/state.ts';
import { compileValues } from '../../src/train/values.ts';
import { familyFolder, furthest, open } from '../models/support.ts';
import { llama, someBatch, stateOf } from './support.ts';

const config = {
  ...{ model_type: 'llama', hidden_size: 64, intermediate_size: 96, num_hidden_layers: 8, num_attention_heads: 4 },
  ...{ vocab_size: 97, max_position_embeddings: 64, attention_bias: true },
};

const deviationOf = (values: Float32Array) => Math.sqrt(values.reduce((total, x) => total + x * x, 0) / values.length);

describe('initial values', () => {
  it('are N(0, 0.02²) for matrices and tables, 1 for norms, 0 for biases, by seed and name', () => {
    const task = languageModelTask(decoderFromConfig(config));
    const state = initialState(task, sgd(), 1);
    for (const { name, role } of parametersOf([task.loss])) {
      const values = state.parameters.get(name)!;
      if (role !== 'vector') {
        expect(Math.abs(deviationOf(values) / 0.02 - 1), name).toBeLessThan(0.06);
        expect(Math.abs(values.reduce((a, b) => a + b) / values.length), name).toBeLessThan(0.001);
      } else expect(new Set(values), name).toEqual(new Set([name.endsWith('.bias') ? 0 : 1]));
    }
    expect(state.parameters.get('model.layers.0.self_attn.q_proj.bias')!.length).toBe(64);
    const [q, k] = ['q', 'k'].map((part) => state.parameters.get(`model.layers.0.self_attn.${part}_proj.weight`)!);
    expect(furthest(q!, k!)).toBeGreaterThan(0.02);
    expect(initialState(task, sgd(), 1)).toEqual(state);
    expect(furthest(initialState(task, sgd(), 2).parameters.get('model.embed_tokens.weight')!, q!)).toBeGreaterThan(0);
  });

  it('of what writes to the residual stream are smaller by √(2 L) where that is asked for', () => {
    const task = languageModelTask(decoderFromConfig(config), { initial: { scaleResidual: true, deviation: 0.1 } });
    const { parameters } = initialState(task, sgd(), 1);
    const small = [...parameters].filter(([, values]) => Math.abs(deviationOf(values) / (0.1 / 4) - 1) < 0.06);
    expect(small.map(([name]) => name.replace(/\d+/, '*'))).toEqual(
      Array.from({ length: 8 }, () => [
        'model.layers.*.self_attn.o_proj.weight',
        'model.layers.*.mlp.down_proj.weight',
      ]).flat(),
    );
  });

  it('of norms that store their weight less one are 0', async () => {
    await using model = await open(familyFolder('gemma3')!);
    const { parameters } = initialState(languageModelTask(model.decoder), sgd(), 1);
    expect(new Set(parameters.get('model.norm.weight'))).toEqual(new Set([0]));
  });

  it('gives the roles of parameters: biases and learned sinks are vectors whatever their axes', async () => {
    await using model = await open(familyFolder('gpt_oss')!);
    const roles = new Map(
      parametersOf([languageModelTask(model.decoder).loss]).map(({ name, role, batchAxes }) => [
        name,
        [role, batchAxes],
      ]),
    );
    expect(roles.get('model.embed_tokens.weight')).toEqual(['table', []]);
    expect(roles.get('lm_head.weight')).toEqual(['table', []]);
    expect(roles.get('model.layers.0.self_attn.sinks')).toEqual(['vector', []]);
    expect(roles.get('model.layers.0.self_attn.q_proj.weight')).toEqual(['matrix', []]);
    expect(roles.get('model.layers.0.self_attn.q_proj.bias')).toEqual(['vector', []]);
    expect(roles.get('model.layers.0.mlp.experts.gate_up_proj')).toEqual(['matrix', ['E']]);
  });
});

describe('a language model while it learns', () => {
  it('is watched by what a capture of the same text says', async () => {
    const model = await llama();
    const task = languageModelTask(model.decoder);
    const { parameters } = await stateOf(model, task, sgd());
    const feeds = someBatch(0, 2, 14);
    const watched = await (await compileValues(model.runtime, task.watch)).run(parameters, feeds);
    const ids = [0, 1].map((b) => [...(feeds.ids.data as BigInt64Array)].slice(14 * b, 14 * b + 13).map(Number));
    const { captured } = await run(model, { ids }, { capture: ['blocks.*.attn.hook_pattern', 'blocks.*.hook_out'] });
    const [B, L, H, T, M] = [2, 3, 4, 13, 32] as const;
    expect(watched.alpha.shape).toEqual([L, B, H]);
    for (let layer = 0; layer < L; layer++) {
      const pattern = captured.get(`blocks.${layer}.attn.hook_pattern`)!.data;
      for (let b = 0; b < B; b++)
        for (let h = 0; h < H; h++) {
          const column = Array.from({ length: T }, (_, t) => Number(pattern[((b * H + h) * T + t) * T]));
          const sum = column.reduce((a, c) => a + c);
          const at = (layer * B + b) * H + h;
          expect(Math.abs(Number(watched.alpha.data[at]) - sum / T)).toBeLessThan(1e-6);
          expect(Math.abs(Number(watched.alphaLater.data[at]) - (sum - column[0]!) / (T - 1))).toBeLessThan(1e-6);
        }
      const stream = [...captured.get(`blocks.${layer}.hook_out`)!.data].map(Number);
      const lengths = Array.from({ length: B * T }, (_, i) => Math.hypot(...stream.slice(i * M, (i + 1) * M)));
      const mean = (values: readonly number[]) => values.reduce((a, c) => a + c) / values.length;
      const expected = {
        largest: Math.max(...stream.map(Math.abs)),
        typical: mean(stream.map(Math.abs)),
        firstNorm: mean(lengths.filter((_, i) => i % T === 0)),
        otherNorm: mean(lengths.filter((_, i) => i % T !== 0)),
      };
      for (const [name, value] of Object.entries(expected))
        expect(Math.abs(Number(watched[name as 'largest'].data[layer]) - value), name).toBeLessThan(1e-5);
    }
  });

  it('counts as sinks the heads above ε, strictly, by layer and in all', () => {
    // [L, B, H] = [2, 2, 2]
    const alpha = Float32Array.of(0.5, 0.25, 0.4, 0.5, 0.1, 0.9, 0.25, 0.2);
    expect(sinkRateOf(alpha, { layers: 2, heads: 2 }, 0.25)).toEqual({ all: 0.5, byLayer: [0.75, 0.25] });
    expect(sinkRateOf(alpha, { layers: 2, heads: 2 })).toEqual({ all: 0.5, byLayer: [0.75, 0.25] });
    expect(sinkRateOf(alpha, { layers: 2, heads: 2 }, 0.45).byLayer).toEqual([0.5, 0.25]);
  });

  it('learns under an edit: the loss and what is watched are those of the edited model', async () => {
    const model = await llama();
    const edit: Edits = { 'blocks.*.attn.hook_z': (z) => multiply(z, 0) };
    const [plain, edited] = [languageModelTask(model.decoder), languageModelTask(model.decoder, { edit })];
    const { parameters } = await stateOf(model, plain, sgd());
    const values = async (task: typeof plain) => {
      const all = { loss: task.loss, evaluated: task.evaluation.loss, typical: task.watch.typical };
      const found = await (await compileValues(model.runtime, all)).run(parameters, someBatch(0));
      return [found.loss.data[0], found.evaluated.data[0], found.typical.data[2]].map(Number);
    };
    const [before, after] = [await values(plain), await values(edited)];
    expect(Math.abs(after[0]! - after[1]!)).toBeLessThan(1e-5);
    expect(Math.abs(after[0]! - before[0]!)).toBeGreaterThan(1e-3);
    expect(Math.abs(after[2]! - before[2]!)).toBeGreaterThan(1e-3);
  });
});
