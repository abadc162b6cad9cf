import type { LanguageModelRecipe } from './recipe.ts';

/** A language model of 5.9 million parameters on a corpus of books; 6,500 steps are one epoch of 26 million tokens. */
export const books: LanguageModelRecipe = {
  kind: 'language model',
  name: 'books',
  about: 'A Llama-style language model of 6 million parameters on a text file, BOS first in every sequence: hours.',
  settings: {
    vocabulary: 4096,
    width: 256,
    layers: 6,
    heads: 4,
    feedForward: 704,
    context: 512,
    batch: 8,
    steps: 6500,
    learningRate: 3e-3,
    warmUp: 200,
    decay: 0.1,
    clip: 1,
  },
  tokens: 'bpe',
  corpus: 'named',
  every: { watch: 50, validate: 250, save: 250 },
};
