import type { Family } from '../family.ts';
import { vitStack } from '../parts/vit-stack.ts';

export const family: Family = {
  name: 'vit',
  modelTypes: ['vit'],
  title: 'ViT',
  source: '2010.11929',
  about:
    'A class token and patches with learned positions, seen in both directions; classes of pictures from the class token.',
  reads: ['pictures'],
  build: (c, checkpoint) => vitStack(c, checkpoint, 'vit'),
};
