import type { LanguageModelRecipe } from './recipe.ts';

/** The same as `books` in small, on the text that ships: to see how it goes. It learns its 50 kB by heart rather than English. */
export const tinyText: LanguageModelRecipe = {
  kind: 'language model',
  name: 'tiny-text',
  about: 'The same in small on the text that ships (the opening of Emma): a minute.',
  settings: {
    vocabulary: 512,
    width: 64,
    layers: 2,
    heads: 4,
    feedForward: 176,
    context: 64,
    batch: 16,
    steps: 400,
    learningRate: 3e-3,
    warmUp: 40,
    decay: 0.1,
    clip: 1,
  },
  tokens: 'bpe',
  corpus: 'shipped',
  every: { watch: 10, validate: 25, save: 100 },
};
