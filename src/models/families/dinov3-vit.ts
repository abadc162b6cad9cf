import { gridRope } from '../../attention/positions/rope-grid.ts';
import { activationNames } from '../../layers/activations.ts';
import { layerNorm } from '../../layers/norms.ts';
import type { Family } from '../family.ts';
import { gatedMlp, plainMlp } from '../parts/mlp.ts';
import { embedPictures } from '../parts/pictures.ts';
import { firstToken, given } from '../parts/text-heads.ts';
import { visionBlock } from '../parts/vision-block.ts';
import { ignoreBackboneKeys, ignoreTowerKeys, readPictureSizes, readTowerSizes } from '../parts/vision-config.ts';

export const family: Family = {
  name: 'dinov3_vit',
  modelTypes: ['dinov3_vit'],
  title: 'DINOv3 ViT',
  source: '2508.10104',
  about: 'ViT with registers and LayerScale; no position table: patches alone are turned, by row and column.',
  reads: ['pictures'],
  sinks: {
    kind: 'registers',
    stored: 'embeddings.register_tokens [1, registers, M]',
    about: 'In every layer, between class token and patches; RoPE does not turn them.',
  },
  build(c, { tensors }) {
    const { F, ...sizes } = readTowerSizes(c);
    const { L, D, M } = sizes;
    if (D % 4 !== 0)
      throw c.error('num_attention_heads', `heads whose width, ${M} over their number, is a multiple of 4`);
    const { rows, columns, ...pixels } = readPictureSizes(c, { side: 224, patch: 16 });
    const registers = c.int('num_register_tokens', { max: 4096, default: 0 });
    const epsilon = c.number('layer_norm_eps', { default: 1e-5 });
    const activation = c.oneOf('hidden_act', activationNames, { default: 'gelu' });
    const gated = c.bool('use_gated_mlp', { default: false });
    const bias = {
      q: c.bool('query_bias', { default: true }),
      k: c.bool('key_bias', { default: false }),
      v: c.bool('value_bias', { default: true }),
      output: c.bool('proj_bias', { default: true }),
    };
    const mlp = { bias: c.bool('mlp_bias', { default: true }) };
    const before = 1 + registers;
    const turn = gridRope({ theta: c.number('rope_theta', { min: 1, default: 100 }), D, leading: before });
    // How coordinates are shifted and stretched in training.
    c.ignore(['pos_embed_jitter', 'pos_embed_rescale', 'pos_embed_shift']);
    ignoreBackboneKeys(c);
    ignoreTowerKeys(c);
    const layers = tensors.has('model.layer.0.norm1.weight') ? 'model.layer' : 'layer';
    return {
      family: 'dinov3_vit',
      reads: 'pixels',
      causal: false,
      sizes: { ...sizes, maxPositions: before + rows * columns },
      pixels: { ...pixels, anySize: true },
      leading: ['class', ...Array.from({ length: registers }, () => 'register' as const)],
      embed: (pictures) =>
        embedPictures(pictures, {
          ...{ name: 'embeddings.patch_embeddings', M, C: pixels.C, patch: pixels.patch },
          tokens: ['embeddings.cls_token'],
          registers: { name: 'embeddings.register_tokens', count: registers },
        }),
      blocks: Array.from({ length: L }, (_, layer) => {
        const full = (name: string) => `${layers}.${layer}.${name}`;
        return visionBlock({
          sizes,
          epsilon,
          bias,
          turn,
          names: {
            ...{ ln1: full('norm1'), ln2: full('norm2'), q: full('attention.q_proj'), k: full('attention.k_proj') },
            ...{ v: full('attention.v_proj'), output: full('attention.o_proj') },
          },
          scales: { attention: full('layer_scale1.lambda1'), mlp: full('layer_scale2.lambda1') },
          mlp: gated
            ? gatedMlp(full, { F, M }, activation, mlp)
            : plainMlp({ up: full('mlp.up_proj'), down: full('mlp.down_proj') }, { F, M }, activation, mlp),
        });
      }),
      norm: (x) => layerNorm(x, 'M', 'norm', { epsilon }),
      lastHiddenState: 'ln_final.hook_in',
      outputs: { pooler_output: (x) => given(firstToken(x), ['B', 'M']) },
      // Stands for hidden patches in training; registers of none are stored as an empty tensor.
      ignoredTensors: registers > 0 ? /^embeddings\.mask_token$/ : /^embeddings\.(mask_token|register_tokens)$/,
    };
  },
};
