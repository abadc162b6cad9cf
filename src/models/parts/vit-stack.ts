import type { Places } from '../../attention/places.ts';
import type { Stream } from '../../attention/steps.ts';
import { activationNames } from '../../layers/activations.ts';
import { linear } from '../../layers/linear.ts';
import { layerNorm } from '../../layers/norms.ts';
import type { Checkpoint } from '../../load/checkpoint.ts';
import type { ConfigReader } from '../../load/config.ts';
import { add, multiply, pick, tanh } from '../../tensor/index.ts';
import type { PixelStack, StackOutput } from '../stack.ts';
import { plainMlp } from './mlp.ts';
import { embedPictures } from './pictures.ts';
import { firstToken, given, textClasses } from './text-heads.ts';
import { visionBlock } from './vision-block.ts';
import { ignoreTowerKeys, readPictureSizes, readTowerSizes } from './vision-config.ts';

type Outputs = Record<string, (x: Stream, places: Places) => StackOutput>;

/** Names of a layer's weights: as releases store them, and as transformers 5 has them in memory. */
const layerNames = (root: string, layer: number, stored: boolean) => {
  const base = `${root}${stored ? 'encoder.layer' : 'layers'}.${layer}.`;
  const named = (old: string, now: string) => base + (stored ? old : now);
  return {
    ln1: `${base}layernorm_before`,
    ln2: `${base}layernorm_after`,
    q: named('attention.attention.query', 'attention.q_proj'),
    k: named('attention.attention.key', 'attention.k_proj'),
    v: named('attention.attention.value', 'attention.v_proj'),
    output: named('attention.output.dense', 'attention.o_proj'),
    up: named('intermediate.dense', 'mlp.fc1'),
    down: named('output.dense', 'mlp.fc2'),
  };
};

/** ViT and what is stored like it: a class token (and another, for distillation) before the patches, learned positions, heads on the tokens. */
export function vitStack(c: ConfigReader, checkpoint: Checkpoint, family: 'vit' | 'deit'): PixelStack {
  const leading = family === 'deit' ? (['class', 'distillation'] as const) : (['class'] as const);
  const { F, ...sizes } = readTowerSizes(c);
  const { L, M } = sizes;
  const { rows, columns, ...pixels } = readPictureSizes(c);
  const epsilon = c.number('layer_norm_eps', { default: 1e-12 });
  const activation = c.oneOf('hidden_act', activationNames, { default: 'gelu' });
  const projected = c.bool('qkv_bias', { default: true });
  const E = c.int('pooler_output_size', { min: 1, max: 1 << 20, default: M });
  c.oneOf('pooler_act', ['tanh'], { default: 'tanh' });
  // Of a head that paints masked patches.
  c.ignore(['encoder_stride']);
  ignoreTowerKeys(c);
  const { tensors } = checkpoint;
  const root = [...tensors.keys()].some((name) => name.startsWith(`${family}.`)) ? `${family}.` : '';
  const stored = !tensors.has(`${root}layers.0.attention.q_proj.weight`);
  const bias = { q: projected, k: projected, v: projected };
  const names = leading.map((role) => `${root}embeddings.${role === 'class' ? 'cls' : role}_token`);
  return {
    family,
    reads: 'pixels',
    causal: false,
    sizes: { ...sizes, maxPositions: leading.length + rows * columns },
    pixels: { ...pixels, anySize: true },
    leading,
    embed: (pictures) =>
      embedPictures(pictures, {
        ...{ name: `${root}embeddings.patch_embeddings.projection`, M, C: pixels.C, patch: pixels.patch },
        tokens: names,
        positions: { name: `${root}embeddings.position_embeddings`, leading: leading.length, rows, columns, M },
      }),
    blocks: Array.from({ length: L }, (_, layer) => {
      const { up, down, ...own } = layerNames(root, layer, stored);
      return visionBlock({ sizes, epsilon, names: own, bias, mlp: plainMlp({ up, down }, { F, M }, activation) });
    }),
    norm: (x) => layerNorm(x, 'M', `${root}layernorm`, { epsilon }),
    lastHiddenState: 'ln_final.hook_in',
    outputs: { ...(tensors.has(`${root}pooler.dense.weight`) ? pooled(root, E, M) : {}), ...heads(checkpoint, M) },
    // Stands for hidden patches in training.
    ignoredTensors: /(^|\.)embeddings\.mask_token$/,
  };
}

const pooled = (root: string, E: number, M: number): Outputs => ({
  pooler_output: (x) =>
    given(tanh(linear(firstToken(x), `${root}pooler.dense`, { E }, { M }, { bias: true })), ['B', 'E']),
});

/** One head on the class token, or one on each token and their mean. */
function heads(checkpoint: Checkpoint, M: number): Outputs {
  const has = (name: string) => checkpoint.tensors.has(`${name}.weight`);
  if (has('classifier')) return textClasses({ checkpoint, name: 'classifier', M }, firstToken).outputs ?? {};
  if (!has('cls_classifier')) return {};
  const head = (name: string, position: number, called: string) =>
    textClasses({ checkpoint, name, M }, (x) => pick(x, 'T', position), called).outputs!;
  const both: Outputs = {
    ...head('cls_classifier', 0, 'cls_logits'),
    ...head('distillation_classifier', 1, 'distillation_logits'),
  };
  const logits = (x: Stream, places: Places) => {
    const [own, taught] = [both.cls_logits!(x, places), both.distillation_logits!(x, places)];
    return { ...own, value: multiply(add(own.value, taught.value), 0.5) };
  };
  return { ...both, logits };
}
