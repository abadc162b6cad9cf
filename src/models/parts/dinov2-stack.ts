import { activationNames } from '../../layers/activations.ts';
import { linear } from '../../layers/linear.ts';
import { layerNorm } from '../../layers/norms.ts';
import type { Checkpoint } from '../../load/checkpoint.ts';
import type { ConfigReader } from '../../load/config.ts';
import { add, concat, dot, mean, multiply, pick, silu, size, slice, weight } from '../../tensor/index.ts';
import type { PixelStack } from '../stack.ts';
import { gatedMlp, type Mlp, plainMlp } from './mlp.ts';
import { embedPictures } from './pictures.ts';
import { firstToken, given, textClasses } from './text-heads.ts';
import { visionBlock } from './vision-block.ts';
import { ignoreBackboneKeys, ignoreTowerKeys, readPictureSizes, readTowerSizes } from './vision-config.ts';

/** Where gate and up lie in one matrix, [2 F, M], with the gate first. */
const jointGatedMlp =
  (at: (name: string) => string, F: number, M: number): Mlp =>
  (x, hook) => {
    const part = (one: 0 | 1) =>
      add(
        dot(x, pick(weight(at('mlp.weights_in.weight'), { J: 2, F, M }), 'J', one), 'M'),
        pick(weight(at('mlp.weights_in.bias'), { J: 2, F }), 'J', one),
      );
    const hidden = hook('mlp.hook_post', multiply(silu(hook('mlp.hook_pre', part(0))), part(1)));
    return hook('mlp.hook_out', linear(hidden, at('mlp.weights_out'), { M }, { F }, { bias: true }));
  };

/**
 * DINOv2 with or without registers: LayerScale on both parts, positions for other picture sizes by interpolation, as transformers has it: the
 * first code of DINOv2 stretches the grid by a tenth of a patch beside.
 */
export function dinov2Stack(
  c: ConfigReader,
  checkpoint: Checkpoint,
  family: 'dinov2' | 'dinov2_with_registers',
): PixelStack {
  const registers = family === 'dinov2' ? 0 : c.int('num_register_tokens', { max: 4096, default: 4 });
  const { F: _, ...sizes } = readTowerSizes(c, undefined, false);
  const { L, M } = sizes;
  const { rows, columns, ...pixels } = readPictureSizes(c);
  const epsilon = c.number('layer_norm_eps', { default: 1e-6 });
  const activation = c.oneOf('hidden_act', activationNames, { default: 'gelu' });
  const projected = c.bool('qkv_bias', { default: true });
  const wide = Math.trunc(M * c.number('mlp_ratio', { min: 1e-3, max: 1024, default: 4 }));
  const gated = c.bool('use_swiglu_ffn', { default: false });
  const F = gated ? 8 * Math.floor((Math.trunc((wide * 2) / 3) + 7) / 8) : wide;
  if (registers > 0) {
    // Early files say so of themselves.
    c.oneOf('interpolate_antialias', [true], { default: true });
    c.oneOf('interpolate_offset', [0], { default: 0 });
  }
  ignoreBackboneKeys(c);
  ignoreTowerKeys(c);
  const { tensors } = checkpoint;
  const root = tensors.has(`${family}.embeddings.cls_token`) ? `${family}.` : '';
  const stored = !tensors.has(`${root}encoder.layer.0.attention.q_proj.weight`);
  const bias = { q: projected, k: projected, v: projected };
  const before = 1 + registers;
  return {
    family,
    reads: 'pixels',
    causal: false,
    sizes: { ...sizes, maxPositions: before + rows * columns },
    pixels: { ...pixels, anySize: true },
    leading: ['class', ...Array.from({ length: registers }, () => 'register' as const)],
    embed: (pictures) =>
      embedPictures(pictures, {
        ...{ name: `${root}embeddings.patch_embeddings.projection`, M, C: pixels.C, patch: pixels.patch },
        tokens: [`${root}embeddings.cls_token`],
        positions: {
          ...{ name: `${root}embeddings.position_embeddings`, leading: 1, rows, columns, M },
          antialias: family === 'dinov2_with_registers',
        },
        registers: { name: `${root}embeddings.register_tokens`, count: registers },
      }),
    blocks: Array.from({ length: L }, (_, layer) => {
      const full = (name: string) => `${root}encoder.layer.${layer}.${name}`;
      const named = (old: string, now: string) => full(`attention.${stored ? old : now}`);
      return visionBlock({
        sizes,
        epsilon,
        bias,
        names: {
          ...{ ln1: full('norm1'), ln2: full('norm2'), output: named('output.dense', 'o_proj') },
          ...{ q: named('attention.query', 'q_proj'), k: named('attention.key', 'k_proj') },
          v: named('attention.value', 'v_proj'),
        },
        scales: { attention: full('layer_scale1.lambda1'), mlp: full('layer_scale2.lambda1') },
        mlp: !gated
          ? plainMlp({ up: full('mlp.fc1'), down: full('mlp.fc2') }, { F, M }, activation)
          : tensors.has(full('mlp.gate_proj.weight'))
            ? gatedMlp(full, { F, M }, 'silu', { bias: true })
            : jointGatedMlp(full, F, M),
      });
    }),
    norm: (x) => layerNorm(x, 'M', `${root}layernorm`, { epsilon }),
    lastHiddenState: 'ln_final.hook_in',
    outputs: {
      pooler_output: (x) => given(firstToken(x), ['B', 'M']),
      // From the class token and the mean of the patches, side by side.
      ...(tensors.has('classifier.weight')
        ? textClasses({ checkpoint, name: 'classifier', M: 2 * M }, (x) =>
            concat([firstToken(x), mean(slice(x, 'T', before, size(x, 'T')), 'T')], 'M'),
          ).outputs
        : {}),
    },
    // Stands for hidden patches in training.
    ignoredTensors: /(^|\.)embeddings\.mask_token$/,
  };
}
