/** Metadata of a GGUF file as a `config.json` in Hugging Face spelling. Keys nobody understands stop the load. */
import { LoadError } from '../error.ts';
import { ConfigReader } from './config.ts';
import type { GgufArchitecture } from './gguf-names.ts';
import { type Llama3Parameters, recoverLlama3 } from './gguf-rope-factors.ts';

export interface GgufFacts {
  readonly architecture: GgufArchitecture;
  readonly place: string;
  readonly vocabulary: number;
  /** The tensor names of the file. */
  readonly names: ReadonlySet<string>;
  /** `rope_freqs.weight`, decoded. */
  readonly ropeFactors?: Float32Array;
}

type Config = Record<string, unknown>;

/** The decimal someone wrote down, from a float32: 9.99999974e-6 was 1e-5. */
function written(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === value) return shorter;
  }
  return value;
}

const positive = { min: 1e-9 };
const size = { min: 1 };

/** Rotary settings: `rope_theta`, `rope_scaling`, and the width that is rotated. */
function readRope(c: ConfigReader, p: string, facts: GgufFacts) {
  const theta = written(c.number(`${p}.rope.freq_base`, { min: 1, default: 10_000 }));
  const kind = c.oneOf(`${p}.rope.scaling.type`, ['none', 'linear', 'yarn'], { default: 'none' });
  const factor = c.number(`${p}.rope.scaling.factor`, { ...positive, default: undefined });
  const original = c.number(`${p}.rope.scaling.original_context_length`, { ...size, default: undefined });
  const fast = c.number(`${p}.rope.scaling.yarn_beta_fast`, { ...positive, default: undefined });
  const slow = c.number(`${p}.rope.scaling.yarn_beta_slow`, { ...positive, default: undefined });
  for (const key of ['attn_factor', 'yarn_attn_factor', 'yarn_ext_factor']) {
    c.oneOf(`${p}.rope.scaling.${key}`, [1], { default: 1 });
  }
  let scaling: Config | null = null;
  if (kind !== 'none' && factor === undefined) throw c.error(`${p}.rope.scaling.factor`, 'a number');
  if (kind === 'linear') scaling = { rope_type: 'linear', factor: written(factor!) };
  if (kind === 'yarn') {
    scaling = {
      rope_type: 'yarn',
      factor: written(factor!),
      ...(original !== undefined && { original_max_position_embeddings: original }),
      ...(fast !== undefined && { beta_fast: written(fast) }),
      ...(slow !== undefined && { beta_slow: written(slow) }),
      ...(p === 'gpt-oss' && { truncate: false }),
    };
  }
  if (facts.ropeFactors !== undefined) {
    const found: Llama3Parameters | 'none' | undefined = recoverLlama3(theta, facts.ropeFactors);
    if (found === undefined || (found !== 'none' && scaling !== null)) {
      throw new LoadError(`${facts.place}: rope_freqs.weight is not the table of a Llama 3 rotary scaling alone`);
    }
    if (found !== 'none') scaling = { rope_type: 'llama3', ...found };
  }
  return { theta, scaling, width: c.int(`${p}.rope.dimension_count`, { ...size, default: undefined }) };
}

/** Widths and counts that every architecture has. */
function readSizes(c: ConfigReader, p: string) {
  const width = c.int(`${p}.embedding_length`, size);
  const heads = c.int(`${p}.attention.head_count`, size);
  const headWidth = c.int(`${p}.attention.key_length`, { ...size, default: width / heads });
  if (!Number.isInteger(headWidth)) throw c.error(`${p}.attention.head_count`, `a divisor of the model width ${width}`);
  const value = c.int(`${p}.attention.value_length`, { ...size, default: headWidth });
  if (value !== headWidth) throw c.error(`${p}.attention.value_length`, `the key length ${headWidth}`);
  if (p !== 'gpt-oss')
    for (const key of ['expert_count', 'expert_used_count']) c.oneOf(`${p}.${key}`, [0], { default: 0 });
  return {
    width,
    heads,
    headWidth,
    keyValueHeads: c.int(`${p}.attention.head_count_kv`, { ...size, max: heads, default: heads }),
    layers: c.int(`${p}.block_count`, { min: 1, max: 10_000 }),
    features: c.int(`${p}.feed_forward_length`, size),
    positions: c.int(`${p}.context_length`, size),
  };
}

function gpt2Config(c: ConfigReader, facts: GgufFacts): Config {
  const { width, heads, layers, features, positions } = readSizes(c, 'gpt2');
  return {
    model_type: 'gpt2',
    activation_function: 'gelu_new',
    layer_norm_epsilon: written(c.number('gpt2.attention.layer_norm_epsilon', positive)),
    n_embd: width,
    n_head: heads,
    n_inner: features,
    n_layer: layers,
    n_positions: positions,
    tie_word_embeddings: !facts.names.has('output.weight'),
  };
}

function neoxConfig(c: ConfigReader, facts: GgufFacts): Config {
  const { width, heads, headWidth, layers, features, positions } = readSizes(c, 'gptneox');
  const rope = readRope(c, 'gptneox', facts);
  return {
    model_type: 'gpt_neox',
    attention_bias: facts.names.has('blk.0.attn_qkv.bias'),
    hidden_act: 'gelu',
    hidden_size: width,
    intermediate_size: features,
    layer_norm_eps: written(c.number('gptneox.attention.layer_norm_epsilon', positive)),
    max_position_embeddings: positions,
    num_attention_heads: heads,
    num_hidden_layers: layers,
    rotary_emb_base: rope.theta,
    rotary_pct: (rope.width ?? headWidth) / headWidth,
    ...(rope.scaling !== null && { rope_scaling: rope.scaling }),
    tie_word_embeddings: !facts.names.has('output.weight'),
    use_parallel_residual: c.bool('gptneox.use_parallel_residual', { default: true }),
  };
}

/** Window layers alternate; every `period`-th layer sees everything, unless the file lists them. */
function layerTypes(c: ConfigReader, p: string, layers: number, period: number): string[] {
  const key = `${p}.attention.sliding_window_pattern`;
  const sliding = c.hasList(key)
    ? c.list(key, [true, false], { length: layers })
    : pattern(layers, c.int(key, { min: 1, default: period }));
  return sliding.map((windowed) => (windowed ? 'sliding_attention' : 'full_attention'));
}

function pattern(layers: number, period: number): boolean[] {
  return Array.from({ length: layers }, (_, layer) => (layer + 1) % period !== 0);
}

/** Llama, Mistral, Qwen 2 and 3, Gemma 3, GPT-OSS: one shape of block. */
function decoderConfig(c: ConfigReader, facts: GgufFacts): Config {
  const p = facts.architecture;
  const { width, heads, headWidth, keyValueHeads, layers, features, positions } = readSizes(c, p);
  const rope = readRope(c, p, facts);
  const partial = (rope.width ?? headWidth) / headWidth;
  const common: Config = {
    head_dim: headWidth,
    hidden_size: width,
    intermediate_size: features,
    max_position_embeddings: positions,
    num_attention_heads: heads,
    num_hidden_layers: layers,
    num_key_value_heads: keyValueHeads,
    rms_norm_eps: written(c.number(`${p}.attention.layer_norm_rms_epsilon`, positive)),
    rope_theta: rope.theta,
    ...(rope.scaling !== null && { rope_scaling: rope.scaling }),
    ...(partial !== 1 && { partial_rotary_factor: partial }),
    tie_word_embeddings: !facts.names.has('output.weight'),
  };
  const biased = facts.names.has('blk.0.attn_q.bias');
  switch (p) {
    case 'llama': {
      c.ignore(['llama.tensor_data_layout']);
      const window = c.int('llama.attention.sliding_window', { ...size, default: undefined });
      if (window !== undefined) return { ...common, model_type: 'mistral', hidden_act: 'silu', sliding_window: window };
      const mlpBias = facts.names.has('blk.0.ffn_up.bias');
      return { ...common, model_type: 'llama', hidden_act: 'silu', attention_bias: biased, mlp_bias: mlpBias };
    }
    case 'qwen2':
      return { ...common, model_type: 'qwen2', hidden_act: 'silu', use_sliding_window: false };
    case 'qwen3':
      return { ...common, model_type: 'qwen3', hidden_act: 'silu', attention_bias: biased, use_sliding_window: false };
    case 'gemma3': {
      const localTheta = written(c.number('gemma3.rope.freq_base_swa', { min: 1, default: 10_000 }));
      const softcap = c.number('gemma3.final_logit_softcapping', { default: undefined });
      return {
        ...common,
        model_type: 'gemma3_text',
        attention_bias: biased,
        hidden_activation: 'gelu_pytorch_tanh',
        layer_types: layerTypes(c, p, layers, 6),
        // Not in the file: the head width, but the width per head in the one model of 62 layers (27B).
        query_pre_attn_scalar: layers === 62 ? width / heads : headWidth,
        rope_local_base_freq: localTheta,
        sliding_window: c.int('gemma3.attention.sliding_window', size),
        ...(softcap !== undefined && { final_logit_softcapping: written(softcap) }),
      };
    }
    default:
      return {
        ...common,
        model_type: 'gpt_oss',
        attention_bias: true,
        hidden_act: 'silu',
        intermediate_size: c.int('gpt-oss.expert_feed_forward_length', { ...size, default: features }),
        layer_types: layerTypes(c, p, layers, 2),
        num_experts_per_tok: c.int('gpt-oss.expert_used_count', size),
        num_local_experts: c.int('gpt-oss.expert_count', size),
        sliding_window: c.int('gpt-oss.attention.sliding_window', size),
        swiglu_limit: 7,
      };
  }
}

/** The configuration in Hugging Face spelling. Throws a LoadError for values and keys that are not understood. */
export function ggufConfig(metadata: ReadonlyMap<string, unknown>, facts: GgufFacts): Config {
  const c = new ConfigReader(Object.fromEntries(metadata), `${facts.place} metadata`);
  const elsewhere = /^(general|tokenizer|quantize)\./;
  c.ignore([...metadata.keys()].filter((key) => elsewhere.test(key)));
  c.ignore([`${facts.architecture}.rope.scaling.finetuned`, 'split.no', 'split.tensors.count']);
  if (c.int('split.count', { default: 0 }) > 1) {
    throw new LoadError(
      `${facts.place}: this is one part of several; join them first (llama-gguf-split --merge FIRST OUT)`,
    );
  }
  const { architecture: p } = facts;
  const vocabulary = c.int(`${p}.vocab_size`, { ...size, default: facts.vocabulary });
  if (vocabulary !== facts.vocabulary)
    throw c.error(`${p}.vocab_size`, `${facts.vocabulary}, the rows of token_embd.weight`);
  const config = p === 'gpt2' ? gpt2Config(c, facts) : p === 'gptneox' ? neoxConfig(c, facts) : decoderConfig(c, facts);
  const ids: Config = {};
  for (const [key, name] of [
    ['bos', 'bos_token_id'],
    ['eos', 'eos_token_id'],
    ['padding', 'pad_token_id'],
  ] as const) {
    const id = c.int(`tokenizer.ggml.${key}_token_id`, { default: undefined });
    if (id !== undefined) ids[name] = id;
  }
  c.done();
  return { ...config, vocab_size: vocabulary, ...ids };
}
