import type { Family } from '../family.ts';
import { dinov2Stack } from '../parts/dinov2-stack.ts';

export const family: Family = {
  name: 'dinov2',
  modelTypes: ['dinov2'],
  title: 'DINOv2',
  source: '2304.07193',
  about: 'ViT with LayerScale, trained without labels; positions for other picture sizes by interpolation.',
  reads: ['pictures'],
  build: (c, checkpoint) => dinov2Stack(c, checkpoint, 'dinov2'),
};
