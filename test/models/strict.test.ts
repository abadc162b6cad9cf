import { describe, expect, it } from 'vitest';
import { families } from '../../src/models/registry.ts';
import { bundled } from '../fixtures.ts';
import { type Change, changed as changedFolder, refusal } from './changed.ts';
import { familyFolder } from './support.ts';

const known = families.flatMap(({ modelTypes }) => modelTypes).join(', ');

/** A copy of a bundled fixture with other weights or another configuration. */
const changed = (family: string, change: Change) => changedFolder(bundled(`families/${family}`), change);

const vector = (length: number) => ({ dtype: 'F32' as const, shape: [length], values: new Float32Array(length) });

describe('a checkpoint that is not understood whole is refused by name', () => {
  it('unchanged it loads', async () => {
    expect(await refusal(await changed('llama', { weights: () => {}, config: () => {} }))).toBe('loaded');
  });

  it('a tensor that nothing reads', async () => {
    const folder = await changed('llama', { weights: (all) => all.set('model.layers.1.self_attn.sinks', vector(4)) });
    expect(await refusal(folder)).toBe(
      'LoadError: MODEL: tensors that family llama does not read: model.layers.1.self_attn.sinks; results without them would be wrong',
    );
  });

  it('a layer more than the configuration says', async () => {
    const folder = await changed('llama', { config: (config) => Object.assign(config, { num_hidden_layers: 2 }) });
    expect(await refusal(folder)).toMatch(
      /^LoadError: MODEL: tensors that family llama does not read: model\.layers\.2\.[a-z_.]+weight(, model\.layers\.2\.[a-z_.]+weight){7} and 1 more; results without them would be wrong$/,
    );
  });

  it('a tensor that is missing', async () => {
    const folder = await changed('llama', { weights: (all) => all.delete('model.layers.1.mlp.up_proj.weight') });
    expect(await refusal(folder)).toBe(
      'LoadError: MODEL: missing tensors for family llama: model.layers.1.mlp.up_proj.weight; the files may be incomplete, or config.json belongs to another model',
    );
  });

  it('learned sinks that are missing', async () => {
    const folder = await changed('gpt_oss', { weights: (all) => all.delete('model.layers.0.self_attn.sinks') });
    expect(await refusal(folder)).toBe(
      'LoadError: MODEL: missing tensors for family gpt_oss: model.layers.0.self_attn.sinks; the files may be incomplete, or config.json belongs to another model',
    );
  });

  it('a tensor of another shape', async () => {
    const folder = await changed('llama', { weights: (all) => all.set('model.norm.weight', vector(31)) });
    expect(await refusal(folder)).toBe(
      'LoadError: MODEL: tensor model.norm.weight has shape [31], the configuration makes it [32]',
    );
  });

  it('a configuration that makes other shapes', async () => {
    const folder = await changed('llama', { config: (config) => Object.assign(config, { num_key_value_heads: 1 }) });
    expect(await refusal(folder)).toBe(
      'LoadError: MODEL: tensor model.layers.0.self_attn.k_proj.weight has shape [16,32], the configuration makes it [1,8,32]',
    );
  });

  it.each([
    ['residual_multiplier', 0.5, 'this key is not understood and may change results: "residual_multiplier"'],
    [
      'hidden_act',
      'relu6',
      '"hidden_act" expected one of "silu", "swish", "gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "quick_gelu", "relu", "relu2", got "relu6"',
    ],
    ['quantization_config', { bits: 4 }, 'this key is not understood and may change results: "quantization_config"'],
    ['num_key_value_heads', 3, '"num_key_value_heads" expected a divisor of num_attention_heads, 4, got 3'],
  ])('a configuration with %s %o', async (key, value, message) => {
    const folder = await changed('llama', { config: (config) => Object.assign(config, { [key]: value }) });
    expect(await refusal(folder)).toBe(`LoadError: MODEL config.json: ${message}`);
  });

  it.each(['no_such_family'])('the family %s, which this version does not read', async (name) => {
    const folder =
      familyFolder(name) ??
      (await changed('llama', { config: (config) => Object.assign(config, { model_type: name }) }));
    expect(await refusal(folder)).toBe(`LoadError: MODEL: model_type "${name}"; this version reads ${known}`);
  });
});
