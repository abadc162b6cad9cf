import type { Family } from '../family.ts';
import { dinov2Stack } from '../parts/dinov2-stack.ts';

export const family: Family = {
  name: 'dinov2_with_registers',
  modelTypes: ['dinov2_with_registers'],
  title: 'DINOv2 with registers',
  source: '2309.16588',
  about: 'DINOv2 with learned vectors between class token and patches, which have no positions.',
  reads: ['pictures'],
  sinks: {
    kind: 'registers',
    stored: 'embeddings.register_tokens [1, registers, M]',
    about: 'In every layer; they take over what patches of high norm hold without them.',
  },
  build: (c, checkpoint) => dinov2Stack(c, checkpoint, 'dinov2_with_registers'),
};
