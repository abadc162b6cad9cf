import type { LanguageModelRecipe } from './recipe.ts';

/** A language model over bytes: `tokenizer.json` is byte-level without merges, so that any text is its UTF-8 bytes after BOS. */
export const tinyBytes: LanguageModelRecipe = {
  kind: 'language model',
  name: 'tiny-bytes',
  about: 'A language model over single bytes on the text that ships: half a minute.',
  settings: {
    vocabulary: 258,
    width: 64,
    layers: 2,
    heads: 4,
    feedForward: 176,
    context: 128,
    batch: 16,
    steps: 400,
    learningRate: 3e-3,
    warmUp: 40,
    decay: 0.1,
    clip: 1,
  },
  tokens: 'bytes',
  corpus: 'shipped',
  every: { watch: 10, validate: 25, save: 100 },
};
