import { describe, expect, it } from 'vitest';
import { llama3Factors } from '../../src/load/gguf/rope-factors.ts';
import { fixtures } from '../fixtures.ts';
import { buildGguf } from './build-gguf.ts';
import { converted, decoder, interleave, transpose } from './convert-gguf.ts';
import { expectSame, families, open, sizes } from './gguf-support.ts';

const shared = fixtures();

describe('conversion to GGUF is undone', () => {
  it('for Gemma 3: norms without the added one, window layers and both bases', async () => {
    const reference = await families('gemma3');
    const tensors = await converted(reference, decoder, (name, values, shape) =>
      name.endsWith('norm.weight') ? [{ name, shape, values: values.map((value) => value + 1) }] : undefined,
    );
    const meta = sizes('gemma3', [
      ['gemma3.attention.head_count_kv', 2],
      ['gemma3.attention.key_length', 8],
      ['gemma3.attention.value_length', 8],
      ['gemma3.attention.layer_norm_rms_epsilon', { float: 1e-6 }],
      ['gemma3.attention.sliding_window', 6],
      ['gemma3.attention.sliding_window_pattern', 2],
      ['gemma3.rope.freq_base', { float: 1e6 }],
    ]);
    const ours = await open(buildGguf(meta, tensors));
    await expectSame(ours, reference, 2e-7);
    for (const [key, value] of Object.entries(ours.config)) expect(reference.config[key], key).toEqual(value);
  });

  it('for GPT-OSS: gate and up interleaved again, experts turned, sinks kept, YaRN without truncation', async () => {
    const reference = await families('gpt_oss');
    const tensors = await converted(reference, decoder, (name, values, shape) => {
      if (name.includes('ffn_gate_exps')) {
        const [experts, ...rest] = shape as [number, number, number];
        const features = rest.at(-1)! / 2;
        const width = rest.length === 2 ? rest[0] : 1;
        const half = (part: number) =>
          Float32Array.from({ length: values.length / 2 }, (_, at) => {
            const [e, f, m] = [Math.floor(at / (features * width)), Math.floor(at / width) % features, at % width];
            return values[(e * width + m) * 2 * features + 2 * f + part]!;
          });
        const stored = rest.length === 2 ? [experts, features, width] : [experts, features];
        return [
          { name, shape: stored, values: half(0) },
          { name: name.replace('gate', 'up'), shape: stored, values: half(1) },
        ];
      }
      if (!name.includes('ffn_down_exps.weight')) return undefined;
      const [experts, features, width] = shape as [number, number, number];
      const turned = new Float32Array(values.length);
      for (let e = 0, size = features * width; e < experts; e++) {
        turned.set(transpose(values.subarray(e * size, (e + 1) * size), features), e * size);
      }
      return [{ name, shape: [experts, width, features], values: turned }];
    });
    const meta = sizes('gpt-oss', [
      ['gpt-oss.attention.head_count_kv', 2],
      ['gpt-oss.attention.key_length', 8],
      ['gpt-oss.attention.value_length', 8],
      ['gpt-oss.attention.layer_norm_rms_epsilon', { float: 1e-5 }],
      ['gpt-oss.attention.sliding_window', 6],
      ['gpt-oss.expert_count', 4],
      ['gpt-oss.expert_used_count', 2],
      ['gpt-oss.expert_feed_forward_length', 48],
      ['gpt-oss.rope.freq_base', { float: 150000 }],
      ['gpt-oss.rope.scaling.type', 'yarn'],
      ['gpt-oss.rope.scaling.factor', { float: 32 }],
      ['gpt-oss.rope.scaling.original_context_length', 4],
    ]);
    const ours = await open(buildGguf(meta, tensors));
    await expectSame(ours, reference);
    const { rope_scaling: scaling, ...config } = ours.config;
    for (const [key, value] of Object.entries(config)) expect(reference.config[key], key).toEqual(value);
    expect(reference.config.rope_scaling).toMatchObject(scaling as object);
  });

  it('for GPT-2: weights of the blocks turned back to [in, out]', async () => {
    const names: Record<string, string> = {
      'transformer.wte.weight': 'token_embd.weight',
      'transformer.wpe.weight': 'position_embd.weight',
    };
    for (const kind of ['weight', 'bias']) {
      names[`transformer.ln_f.${kind}`] = `output_norm.${kind}`;
      const blocks = {
        ln_1: 'attn_norm',
        'attn.c_attn': 'attn_qkv',
        'attn.c_proj': 'attn_output',
        ln_2: 'ffn_norm',
        'mlp.c_fc': 'ffn_up',
        'mlp.c_proj': 'ffn_down',
      };
      for (const [hub, ggml] of Object.entries(blocks))
        names[`transformer.h.#.${hub}.${kind}`] = `blk.#.${ggml}.${kind}`;
    }
    const reference = await families('gpt2');
    const tensors = await converted(reference, names, (name, values, shape) =>
      name.startsWith('blk') && shape.length === 2
        ? [{ name, shape: [shape[1]!, shape[0]!], values: transpose(values, shape[0]!) }]
        : undefined,
    );
    const meta = sizes('gpt2', [['gpt2.attention.layer_norm_epsilon', { float: 1e-5 }]]).filter(
      ([key]) => !key.includes('feed'),
    );
    const ours = await open(buildGguf([...meta, ['gpt2.feed_forward_length', 128]], tensors));
    await expectSame(ours, reference);
    const { n_inner: inner, ...config } = ours.config;
    expect(inner).toBe(128);
    for (const [key, value] of Object.entries(config)) expect(reference.config[key], key).toEqual(value);
  });

  it.skipIf(shared === undefined)(
    'for GPT-NeoX: queries, keys and values by head (needs the reference fixtures)',
    async () => {
      const names: Record<string, string> = {
        'gpt_neox.embed_in.weight': 'token_embd.weight',
        'embed_out.weight': 'output.weight',
      };
      for (const kind of ['weight', 'bias']) {
        names[`gpt_neox.final_layer_norm.${kind}`] = `output_norm.${kind}`;
        const blocks = {
          input_layernorm: 'attn_norm',
          'attention.query_key_value': 'attn_qkv',
          'attention.dense': 'attn_output',
          post_attention_layernorm: 'ffn_norm',
          'mlp.dense_h_to_4h': 'ffn_up',
          'mlp.dense_4h_to_h': 'ffn_down',
        };
        for (const [hub, ggml] of Object.entries(blocks))
          names[`gpt_neox.layers.#.${hub}.${kind}`] = `blk.#.${ggml}.${kind}`;
      }
      const reference = await families('gpt_neox');
      const tensors = await converted(reference, names, (name, values, shape) => {
        if (!name.includes('attn_qkv')) return undefined;
        const width = shape[1] ?? 1;
        const grouped = Float32Array.from(values, (_, at) => {
          const [row, column] = [Math.floor(at / width), at % width];
          const [part, head, inner] = [Math.floor(row / 32), Math.floor((row % 32) / 8), row % 8];
          return values[((head * 3 + part) * 8 + inner) * width + column]!;
        });
        return [{ name, shape, values: grouped }];
      });
      const meta = sizes('gptneox', [
        ['gptneox.attention.layer_norm_epsilon', { float: 1e-5 }],
        ['gptneox.rope.dimension_count', 4],
        ['gptneox.use_parallel_residual', true],
      ]);
      const ours = await open(buildGguf(meta, tensors));
      await expectSame(ours, reference);
      for (const [key, value] of Object.entries(ours.config)) expect(reference.config[key], key).toEqual(value);
    },
  );

  it.skipIf(shared === undefined)(
    'for Llama with biases and Llama 3 scaling (needs the reference fixtures)',
    async () => {
      const parameters = { factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64 };
      const reference = await families('llama_bias');
      const names = { ...decoder, 'model.layers.#.post_attention_layernorm.weight': 'blk.#.ffn_norm.weight' };
      const tensors = await converted(reference, names, (name, values, shape) =>
        /attn_[qk]/.test(name)
          ? [{ name, shape, values: interleave(values, shape[0]!, name.includes('attn_q') ? 4 : 2) }]
          : undefined,
      );
      const factors = Float32Array.from(llama3Factors(500_000, 4, parameters));
      const meta = sizes('llama', [
        ['llama.attention.head_count_kv', 2],
        ['llama.attention.layer_norm_rms_epsilon', { float: 1e-6 }],
        ['llama.rope.freq_base', { float: 500_000 }],
        ['llama.rope.dimension_count', 8],
      ]);
      const ours = await open(
        buildGguf(meta, [...tensors, { name: 'rope_freqs.weight', shape: [4], values: factors }]),
      );
      await expectSame(ours, reference);
      expect(ours.config).toMatchObject({
        attention_bias: true,
        mlp_bias: true,
        rope_theta: 500_000,
        tie_word_embeddings: false,
      });
      const { rope_type: type, ...scaling } = ours.config.rope_scaling as never as typeof parameters & {
        rope_type: string;
      };
      expect(type).toBe('llama3');
      llama3Factors(500_000, 4, scaling).forEach((value, i) => {
        expect(Math.fround(value)).toBeCloseTo(factors[i]!, 5);
      });
    },
  );
});
