import { describe, expect, it } from 'vitest';
import type { Checkpoint } from '../../src/load/checkpoint.ts';
import { ConfigReader } from '../../src/load/config.ts';
import { decoderOf } from '../../src/models/model.ts';
import { readSoftCap } from '../../src/models/parts/config.ts';
import { families } from '../../src/models/registry.ts';

const small = {
  ...{ hidden_size: 32, num_attention_heads: 4, num_key_value_heads: 2, num_hidden_layers: 3, vocab_size: 97 },
  intermediate_size: 48,
};

/** Builds a family from a configuration, as far as that goes without weights. */
function build(modelType: string, more: Readonly<Record<string, unknown>>) {
  const c = new ConfigReader({ ...small, ...more }, 'config.json');
  const built = families.find(({ modelTypes }) => modelTypes.includes(modelType))!.build(c, {} as Checkpoint);
  c.done();
  return decoderOf(built as never);
}
const windows = (modelType: string, more: object) => build(modelType, { ...more }).blocks.map(({ window }) => window);

describe('a configuration that a family cannot serve is refused by name', () => {
  const longrope = { type: 'longrope', short_factor: [1], long_factor: [1] };
  const yarn = { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 64 };
  it.each([
    [
      'phi3',
      { rope_scaling: longrope },
      'config.json: "rope_scaling.type" expected one of "default", "proportional", "linear", "llama3", "yarn", got "longrope"',
    ],
    // The reference reads these as longrope.
    ['phi3', { rope_scaling: yarn }, 'config.json: "rope_scaling" expected RoPE that is not scaled, got'],
    ['phi3', { rope_parameters: yarn }, 'config.json: "rope_parameters" expected RoPE that is not scaled, got'],
    // Head norms and a factor on rotated heads do not commute.
    ['nanochat', { rope_parameters: yarn }, 'config.json: "rope_parameters" expected RoPE without a factor on what it'],
    [
      'smollm3',
      { no_rope_layers: [1, 0] },
      'config.json: "no_rope_layers" expected at least one number for each of 3 layers, got [1,0]',
    ],
    [
      'smollm3',
      { layer_types: Array(3).fill('sliding_attention'), sliding_window: 4 },
      'config.json: layer 0 has sliding attention, but there is no "sliding_window"',
    ],
    ['starcoder2', { mlp_type: 'gated' }, 'config.json: "mlp_type" expected "default", got "gated"'],
    ['starcoder2', { norm_type: 'rms_norm' }, 'config.json: "norm_type" expected "layer_norm", got "rms_norm"'],
    ['starcoder2', { layer_norm_epsilon: 0.1 }, 'config.json: "layer_norm_epsilon" expected 0.00001, got 0.1'],
    ['gemma2', { sliding_window: 6, sliding_window_size: 7 }, 'config.json: "sliding_window_size" expected 6, got 7'],
    ['gemma', { use_bidirectional_attention: true }, '"use_bidirectional_attention" expected false, got true'],
    ['olmo2', { clip_qkv: 8 }, 'config.json: this key is not understood and may change results: "clip_qkv"'],
  ])('%s %o', (modelType, more, message) => {
    expect(() => build(modelType, more)).toThrow(message);
  });
});

describe('what a file leaves out', () => {
  it('a soft cap is the usual one where the key is absent, and none where it is null', () => {
    const cap = (config: object) => readSoftCap(new ConfigReader({ ...config }, 'config.json'), 'cap', 30);
    expect([cap({}), cap({ cap: null }), cap({ cap: 5 })]).toEqual([30, undefined, 5]);
  });

  it('windows follow the rule of the family', () => {
    expect(windows('gemma2', { sliding_window: 6 })).toEqual([6, undefined, 6]);
    expect(windows('olmo3', { num_hidden_layers: 5, sliding_window: 6 })).toEqual([6, 6, 6, undefined, 6]);
    expect(windows('starcoder2', {})).toEqual([undefined, undefined, undefined]);
    const every = { no_rope_layer_interval: 2, sliding_window: 4 };
    expect(windows('smollm3', { ...every, use_sliding_window: true })).toEqual([undefined, 4, undefined]);
    expect(windows('smollm3', every)).toEqual([undefined, undefined, undefined]);
  });

  it('SmolLM3 turns all layers but every fourth', () => {
    const turned = build('smollm3', { num_hidden_layers: 5 }).blocks.map(({ attention }) => !!attention.rotary);
    expect(turned).toEqual([true, true, true, false, true]);
  });

  it("OLMo 3 scales RoPE in full layers only, and both kinds have the file's base", () => {
    const scaling = { rope_type: 'yarn', factor: 8, attention_factor: 1.25, original_max_position_embeddings: 8192 };
    const { blocks } = build('olmo3', { num_hidden_layers: 4, rope_theta: 10_000, rope_scaling: scaling });
    const [window, full] = [blocks[0]!.attention.rotary!, blocks[3]!.attention.rotary!];
    expect([window.factor, full.factor]).toEqual([undefined, 1.25]);
    expect([window.frequencies[1], full.frequencies[0]]).toEqual([10_000 ** -0.25, 1]);
  });
});
