import { describe, expect, it } from 'vitest';
import { openFile } from '../../src/load/bytes-node.ts';
import { openSafetensorsFile } from '../../src/load/safetensors-file.ts';
import { run } from '../../src/models/run.ts';
import { familyFolder, furthest, open } from './support.ts';
import { type Variant, variant } from './text-variants.ts';

const ids = [5, 96, 31, 96, 96, 12, 60];
const sizes = { L: 3, H: 4, G: 2, D: 8, M: 32, F: 48, V: 97 };
type Vector = number[];

/** Weights of a fixture by its own names. */
async function weightsOf(folder: string): Promise<(name: string) => Float32Array> {
  const file = await openSafetensorsFile(await openFile(`${folder}/model.safetensors`));
  const all = new Map<string, Float32Array>();
  for (const name of file.tensors.keys()) all.set(name, await file.read(name));
  await file.close();
  return (name) => all.get(name) ?? new Float32Array(sizes.M);
}

/** A Llama in double precision, position by position, every query over all keys: logits and the patterns of each layer, [H][T][S]. */
function bidirectional(read: (name: string) => Float32Array, theta: number) {
  const { L, H, G, D, M, F, V } = sizes;
  const T = ids.length;
  const product = (name: string, x: Vector, rows: number): Vector => {
    const matrix = read(`${name}.weight`);
    const bias = read(`${name}.bias`);
    return Array.from({ length: rows }, (_, r) =>
      x.reduce((sum, value, i) => sum + value * matrix[r * x.length + i]!, bias[r] ?? 0),
    );
  };
  const norm = (name: string, x: Vector): Vector => {
    const scale = read(`${name}.weight`);
    const root = Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length + 1e-6);
    return x.map((value, i) => (value / root) * scale[i]!);
  };
  const turned = (x: Vector, heads: number, position: number): Vector =>
    Array.from({ length: heads * D }, (_, i) => {
      const [head, place] = [Math.floor(i / D), i % D];
      const pair = place % (D / 2);
      const angle = position * theta ** ((-2 * pair) / D);
      const [a, b] = [x[head * D + pair]!, x[head * D + pair + D / 2]!];
      return place < D / 2 ? a * Math.cos(angle) - b * Math.sin(angle) : b * Math.cos(angle) + a * Math.sin(angle);
    });
  const table = read('model.embed_tokens.weight');
  let stream = ids.map((id) => Array.from(table.subarray(id * M, (id + 1) * M)));
  const patterns: number[][][][] = [];
  for (let layer = 0; layer < L; layer++) {
    const at = (name: string) => `model.layers.${layer}.${name}`;
    const normed = stream.map((x) => norm(at('input_layernorm'), x));
    const q = normed.map((x, t) => turned(product(at('self_attn.q_proj'), x, H * D), H, t));
    const k = normed.map((x, t) => turned(product(at('self_attn.k_proj'), x, G * D), G, t));
    const v = normed.map((x) => product(at('self_attn.v_proj'), x, G * D));
    const pattern = Array.from({ length: H }, (_, h) =>
      Array.from({ length: T }, (_, t) => {
        const group = Math.floor(h / (H / G));
        const weights = Array.from({ length: T }, (_, s) => {
          let score = 0;
          for (let d = 0; d < D; d++) score += q[t]![h * D + d]! * k[s]![group * D + d]!;
          return Math.exp(score / Math.sqrt(D));
        });
        const total = weights.reduce((a, b) => a + b, 0);
        return weights.map((weight) => weight / total);
      }),
    );
    patterns.push(pattern);
    stream = stream.map((x, t) => {
      const mixed = Array.from({ length: H * D }, (_, i) => {
        const [h, d] = [Math.floor(i / D), i % D];
        const group = Math.floor(h / (H / G));
        return pattern[h]![t]!.reduce((sum, weight, s) => sum + weight * v[s]![group * D + d]!, 0);
      });
      const middle = product(at('self_attn.o_proj'), mixed, M).map((value, i) => value + x[i]!);
      const y = norm(at('post_attention_layernorm'), middle);
      const up = product(at('mlp.up_proj'), y, F);
      const hidden = product(at('mlp.gate_proj'), y, F).map((value, i) => (value / (1 + Math.exp(-value))) * up[i]!);
      return product(at('mlp.down_proj'), hidden, M).map((value, i) => value + middle[i]!);
    });
  }
  return { logits: stream.flatMap((x) => product('lm_head', norm('model.norm', x), V)), patterns };
}

const lladaNames: Record<string, string> = {
  'model.embed_tokens': 'model.transformer.wte',
  'model.norm': 'model.transformer.ln_f',
  lm_head: 'model.transformer.ff_out',
  'self_attn.q_proj': 'q_proj',
  'self_attn.k_proj': 'k_proj',
  'self_attn.v_proj': 'v_proj',
  'self_attn.o_proj': 'attn_out',
  'mlp.gate_proj': 'ff_proj',
  'mlp.up_proj': 'up_proj',
  'mlp.down_proj': 'ff_out',
  input_layernorm: 'attn_norm',
  post_attention_layernorm: 'ff_norm',
};

/** A Llama's tensors as LLaDA's release names them, with the keys of its configuration. */
const llada: Variant = {
  names(name) {
    const [, layer, module, part] = /^(?:model\.layers\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(name)!;
    return `${layer === undefined ? '' : `model.transformer.blocks.${layer}.`}${lladaNames[module!]}.${part}`;
  },
  config: {
    ...{ activation_type: 'silu', alibi: false, alibi_bias_max: 8, architectures: ['LLaDAModelLM'] },
    ...{ attention_dropout: 0, attention_layer_norm: false, attention_layer_norm_with_affine: true },
    ...{ auto_map: { AutoModel: 'modeling_llada.LLaDAModelLM' }, bias_for_layer_norm: false, block_group_size: 1 },
    ...{ block_type: 'llama', d_model: 32, embedding_dropout: 0, embedding_size: 97, eos_token_id: 2 },
    ...{ flash_attention: false, include_bias: false, include_qkv_bias: false, init_cutoff_factor: null },
    ...{ init_device: 'meta', init_fn: 'mitchell', init_std: 0.02, input_emb_norm: false, layer_norm_type: 'rms' },
    ...{ layer_norm_with_affine: true, mask_token_id: 96, max_sequence_length: 128, mlp_hidden_size: 48 },
    ...{ mlp_ratio: 4, model_type: 'llada', multi_query_attention: null, n_heads: 4, n_kv_heads: 2, n_layers: 3 },
    ...{ precision: 'amp_bf16', residual_dropout: 0, rms_norm_eps: 1e-6, rope: true, rope_full_precision: true },
    ...{ rope_theta: 10000, scale_logits: false, vocab_size: 97, weight_tying: false },
  },
};
/** Keys of Llama's own configuration, which LLaDA's does not have. */
const unspelt = Object.fromEntries(
  [
    ...['attention_bias', 'head_dim', 'hidden_act', 'hidden_size', 'intermediate_size', 'max_position_embeddings'],
    ...[
      'layer_types',
      'max_window_layers',
      'use_sliding_window',
      'mlp_bias',
      'num_attention_heads',
      'num_hidden_layers',
      'num_key_value_heads',
      'tie_word_embeddings',
    ],
  ].map((key) => [key, null]),
);
const lladaOf = (config: Record<string, unknown> = {}): Variant => ({
  ...llada,
  config: { ...unspelt, ...llada.config, ...config },
});
const dreamOf = (config: Record<string, unknown> = {}): Variant => ({
  config: {
    ...{ model_type: 'Dream', architectures: ['DreamModel'], mask_token_id: 96, use_mrope: false, rope_scaling: null },
    ...{ auto_map: { AutoModel: 'modeling_dream.DreamModel' }, layer_types: null },
    ...config,
  },
});

const cases = [
  ['llada', 'llama', lladaOf],
  // With biases on queries, keys and values.
  ['llada', 'qwen2', (config: Record<string, unknown> = {}) => lladaOf({ include_qkv_bias: true, ...config })],
  ['dream', 'qwen2', dreamOf],
] as const;

for (const [name, base, spelt] of cases) {
  const folder = familyFolder(base);
  describe.skipIf(folder === undefined)(
    `${name}, from the tensors of ${base} (need the shared fixtures, llama's apart)`,
    () => {
      it('is its decoder with every query over all keys, mask tokens among them', async () => {
        const expected = bidirectional(await weightsOf(folder!), 10_000);
        await using model = await open(await variant(folder!, spelt()));
        expect(model.stack.causal).toBe(false);
        const { captured, ...watched } = await run(model, { ids: [ids] }, { capture: ['blocks.*.attn.hook_pattern'] });
        const fast = await run(model, { ids: [ids] });
        for (const { logits } of [watched, fast])
          expect(furthest(logits!.data as Float32Array, expected.logits)).toBeLessThan(1e-5);
        for (const [layer, pattern] of expected.patterns.entries())
          expect(
            furthest(captured.get(`blocks.${layer}.attn.hook_pattern`)!.data as Float32Array, pattern.flat(2)),
          ).toBeLessThan(1e-5);
      });

      it('reads logits off the token table where the weights are tied', async () => {
        const read = await weightsOf(folder!);
        const expected = bidirectional(
          (weight) => read(weight === 'lm_head.weight' ? 'model.embed_tokens.weight' : weight),
          10_000,
        );
        const config = { tie_word_embeddings: true, weight_tying: true };
        const other = name === 'llada' ? 'tie_word_embeddings' : 'weight_tying';
        const tied = { ...spelt({ ...config, [other]: null }), without: /^lm_head/ };
        await using model = await open(await variant(folder!, tied));
        const { logits } = await run(model, { ids: [ids] });
        expect(furthest(logits!.data as Float32Array, expected.logits)).toBeLessThan(1e-5);
      });

      it('is the same for a text alone and for one padded on either side', async () => {
        await using model = await open(await variant(folder!, spelt()));
        const short = ids.slice(0, 4);
        const alone = (await run(model, { ids: [short] })).logits!.data as Float32Array;
        for (const padding of ['left', 'right'] as const) {
          const both = (await run(model, { ids: [ids, short], padding })).logits!.data as Float32Array;
          const start = 97 * (padding === 'left' ? 10 : 7);
          expect(furthest(both.subarray(start, start + 4 * 97), alone)).toBeLessThan(1e-5);
        }
      });

      it('is no causal decoder, and says so where one is needed', async () => {
        await using model = await open(await variant(folder!, spelt()));
        expect(() => model.decoder).toThrow(
          `${name} sees texts in both directions; a causal decoder of tokens is needed here`,
        );
      });
    },
  );
}

const refusals: readonly (readonly [string, Record<string, unknown>, string])[] = [
  ['llada', { mask_token_id: 97 }, '"mask_token_id" expected a whole number from 0 to 96, got 97'],
  ['llada', { block_type: 'sequential' }, '"block_type" expected "llama", got "sequential"'],
  ['llada', { scale_logits: true }, '"scale_logits" expected false, got true'],
  ['llada', { alibi: true }, '"alibi" expected false, got true'],
  ['llada', { embedding_size: 64 }, '"embedding_size" expected a whole number from 97 to 16777216, got 64'],
  ['llada', { num_experts: 8 }, 'this key is not understood and may change results: "num_experts"'],
  ['dream', { use_sliding_window: true }, '"use_sliding_window" expected false, got true'],
  ['dream', { mask_token_id: 4000 }, '"mask_token_id" expected a whole number from 0 to 96, got 4000'],
];
describe.skipIf(familyFolder('qwen2') === undefined)(
  'configurations of diffusion models (need the shared fixtures: SINKLAB_FIXTURES)',
  () => {
    it.each(refusals)('%s with %o is refused by name', async (name, config, expected) => {
      const [, base, spelt] = cases.find(([one]) => one === name)!;
      const folder = await variant(familyFolder(base)!, spelt(config));
      await expect(open(folder)).rejects.toThrow(`${folder} config.json: ${expected}`);
    });
  },
);
