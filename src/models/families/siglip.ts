import { harmlessKeys } from '../../load/config-harmless.ts';
import { exp, multiply, type Tensor, weight } from '../../tensor/index.ts';
import type { Family } from '../family.ts';
import { siglipText, siglipVision } from '../parts/siglip-towers.ts';
import { given } from '../parts/text-heads.ts';

export const family: Family = {
  name: 'siglip',
  modelTypes: ['siglip', 'siglip_vision_model'],
  title: 'SigLIP',
  source: '2303.15343',
  about:
    'A picture tower without a class token, alone or with a text tower that sees both directions; a learned probe pools the patches.',
  reads: ['pictures', 'text'],
  build(c, { tensors }) {
    if (c.oneOf('model_type', ['siglip', 'siglip_vision_model']) === 'siglip_vision_model') {
      const root = tensors.has('vision_model.embeddings.patch_embedding.weight') ? 'vision_model.' : '';
      return siglipVision(c, { family: 'siglip', root });
    }
    const [text, vision] = [c.object('text_config'), c.object('vision_config')];
    if (!text) throw c.error('text_config', 'an object');
    if (!vision) throw c.error('vision_config', 'an object');
    vision.oneOf('model_type', ['siglip_vision_model'], { default: 'siglip_vision_model' });
    c.ignore(harmlessKeys);
    const pictures = siglipVision(vision, { family: 'siglip', part: 'vision', root: 'vision_model.' });
    // The product of a picture's and a text's output of length one is multiplied by the first; the second is added.
    const number = (value: Tensor<'N'>) => given(value, ['N']);
    return {
      main: 'vision',
      parts: {
        text: siglipText(text, { family: 'siglip', part: 'text', root: 'text_model.' }),
        vision: {
          ...pictures,
          outputs: {
            ...pictures.outputs,
            logit_scale: () => number(exp(weight('logit_scale', { N: 1 }))),
            logit_bias: () => number(multiply(weight('logit_bias', { N: 1 }), 1)),
          },
        },
      },
    };
  },
};
