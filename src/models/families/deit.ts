import type { Family } from '../family.ts';
import { vitStack } from '../parts/vit-stack.ts';

export const family: Family = {
  name: 'deit',
  modelTypes: ['deit'],
  title: 'DeiT',
  source: '2012.12877',
  about: 'ViT with a second token that learned from a teacher; classes from the class token or from both.',
  reads: ['pictures'],
  build: (c, checkpoint) => vitStack(c, checkpoint, 'deit'),
};
