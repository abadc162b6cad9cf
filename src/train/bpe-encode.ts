import { BYTE_OF } from '../load/token-text.ts';

/**
 * Encodes single pieces by the merges of a byte-level BPE `tokenizer.json` that the loader has checked: of all pairs the one merged first in training
 * is merged first, the leftmost of several. Undefined where the file asks for more than merges.
 *
 * Time grows with the square of the piece's length: meant for words.
 */
export function pieceEncoder(tokenizer: unknown): ((piece: string) => number[]) | undefined {
  const { model } = tokenizer as { model: Readonly<Record<string, unknown>> };
  const extras = ['continuing_subword_prefix', 'end_of_word_suffix', 'byte_fallback', 'ignore_merges', 'dropout'];
  if (extras.some((key) => model[key] != null && model[key] !== false && model[key] !== '')) return undefined;
  const vocabulary = model.vocab as Readonly<Record<string, number>>;
  const idOf = (token: string) => (Object.hasOwn(vocabulary, token) ? vocabulary[token] : undefined);

  const byteIds: number[] = [];
  for (const [stored, byte] of BYTE_OF) {
    const id = idOf(stored);
    if (id === undefined) return undefined;
    byteIds[byte] = id;
  }
  let size = 1;
  for (const id of Object.values(vocabulary)) size = Math.max(size, id + 1);
  const merges = new Map<number, { readonly rank: number; readonly id: number }>();
  for (const [rank, merge] of (model.merges as readonly (string | readonly string[])[]).entries()) {
    const [left, right] = typeof merge === 'string' ? merge.split(' ') : merge;
    const [a, b, id] = [idOf(left!), idOf(right!), idOf(`${left}${right}`)];
    if (a === undefined || b === undefined || id === undefined || merges.has(a * size + b)) return undefined;
    merges.set(a * size + b, { rank, id });
  }

  const encoder = new TextEncoder();
  return (piece) => {
    const ids = Array.from(encoder.encode(piece), (byte) => byteIds[byte]!);
    for (;;) {
      let best: { readonly rank: number; readonly id: number } | undefined;
      let place = 0;
      for (let i = 0; i + 1 < ids.length; i++) {
        const found = merges.get(ids[i]! * size + ids[i + 1]!);
        if (found === undefined || found.rank >= (best?.rank ?? Infinity)) continue;
        best = found;
        place = i;
      }
      if (best === undefined) return ids;
      ids.splice(place, 2, best.id);
    }
  };
}
