import type { Checkpoint } from '../../load/checkpoint.ts';
import type { ConfigReader } from '../../load/config.ts';
import { harmlessKeys } from '../../load/config-harmless.ts';
import { exp, type Tensor, weight } from '../../tensor/index.ts';
import type { Family } from '../family.ts';
import { clipText, clipVision } from '../parts/clip-towers.ts';
import { given } from '../parts/text-heads.ts';
import { isRecord } from '../parts/vision-config.ts';

/** Early releases write what differs from the usual beside each tower's configuration, as `text_config_dict`; it wins. */
function withOverrides(checkpoint: Checkpoint): Checkpoint {
  const config = { ...checkpoint.config };
  for (const key of ['text_config', 'vision_config']) {
    const [own, over] = [config[key], config[`${key}_dict`]];
    if (!isRecord(over) || (own !== undefined && own !== null && !isRecord(own))) continue;
    config[key] = { ...own, ...over };
    delete config[`${key}_dict`];
  }
  return { ...checkpoint, config };
}

const width = (c: ConfigReader) => c.int('projection_dim', { min: 1, max: 1 << 20, default: 512 });

/** A tower alone: its names may lack their first part, and its release may have a projection. */
function alone(c: ConfigReader, { tensors }: Checkpoint, kind: 'vision' | 'text') {
  const projection = { name: kind === 'vision' ? 'visual_projection' : 'text_projection', E: width(c) };
  const tower = kind === 'vision' ? clipVision : clipText;
  return tower(c, {
    family: 'clip',
    root: [...tensors.keys()].some((name) => name.startsWith(`${kind}_model.`)) ? `${kind}_model.` : '',
    ...(tensors.has(`${projection.name}.weight`) ? { projection } : {}),
  });
}

export const family: Family = {
  name: 'clip',
  modelTypes: ['clip', 'clip_vision_model', 'clip_text_model'],
  title: 'CLIP',
  source: '2103.00020',
  about:
    'A picture tower and a causal text tower whose outputs are compared; each is a stack of its own, and may come alone.',
  reads: ['pictures', 'text'],
  adapt: withOverrides,
  build(c, checkpoint) {
    const type = c.oneOf('model_type', ['clip', 'clip_vision_model', 'clip_text_model']);
    if (type !== 'clip') return alone(c, checkpoint, type === 'clip_vision_model' ? 'vision' : 'text');
    const E = width(c);
    const [text, vision] = [c.object('text_config'), c.object('vision_config')];
    if (!text) throw c.error('text_config', 'an object');
    if (!vision) throw c.error('vision_config', 'an object');
    c.ignore(harmlessKeys).ignore(['logit_scale_init_value']);
    const pictures = clipVision(vision, {
      ...{ family: 'clip', part: 'vision', root: 'vision_model.' },
      projection: { name: 'visual_projection', E },
    });
    // What the product of a picture's and a text's output of length one is multiplied by.
    const scale = () => given(exp(weight('logit_scale', {})) as Tensor<never>, []);
    return {
      main: 'vision',
      parts: {
        text: clipText(text, {
          ...{ family: 'clip', part: 'text', root: 'text_model.' },
          projection: { name: 'text_projection', E },
        }),
        vision: { ...pictures, outputs: { ...pictures.outputs, logit_scale: scale } },
      },
    };
  },
};
