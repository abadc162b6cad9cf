import type { Fail } from './byte-level.ts';
import type { GgufTokenizerMetadata } from './tokenizer-metadata.ts';

/** Kind of tokens that text can spell as a whole. */
const USER_DEFINED = 4;

/** SentencePiece joins the pair whose result has the best score: the same as merges sorted by the score of their result. */
export function sentencePieceJson(
  { tokens, scores, tokenTypes, unknownId, addSpacePrefix }: GgufTokenizerMetadata,
  vocab: Record<string, number>,
  fail: Fail,
) {
  if (scores === undefined || scores.length !== tokens.length)
    return fail('"tokenizer.ggml.scores" needs one score for each token');
  const merges: { pair: [string, string]; score: number; left: number; right: number }[] = [];
  for (const [id, token] of tokens.entries()) {
    const kind = tokenTypes?.[id] ?? 1;
    if ((kind !== 1 && kind !== USER_DEFINED) || token.length > 256) continue;
    const characters = Array.from(token);
    for (let cut = 1; cut < characters.length; cut++) {
      const pair: [string, string] = [characters.slice(0, cut).join(''), characters.slice(cut).join('')];
      const [left, right] = [vocab[pair[0]], vocab[pair[1]]];
      if (left !== undefined && right !== undefined) merges.push({ pair, score: scores[id]!, left, right });
    }
  }
  merges.sort((a, b) => b.score - a.score || a.left - b.left || a.right - b.right);
  const prefix = (addSpacePrefix ?? true) ? [{ type: 'Prepend', prepend: '\u2581' }] : [];
  const strip = (addSpacePrefix ?? true) ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : [];
  return {
    normalizer: {
      type: 'Sequence',
      normalizers: [...prefix, { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' }],
    },
    pre_tokenizer: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        ...strip,
      ],
    },
    model: {
      type: 'BPE',
      vocab,
      merges: merges.map(({ pair }) => pair),
      unk_token: unknownId === undefined ? null : tokens[unknownId]!,
      byte_fallback: true,
      fuse_unk: true,
    },
  };
}
