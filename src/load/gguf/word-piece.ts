import type { Fail } from './byte-level.ts';
import type { GgufTokenizerMetadata } from './tokenizer-metadata.ts';

const CONTROL = 3;
const wordStart = '\u2581';

/** Tokens as WordPiece has them: the file marks those that begin a word and leaves the `##` of the others away. */
export function wordPieceTokens({ tokens, tokenTypes }: GgufTokenizerMetadata): string[] {
  return tokens.map((token, id) => {
    if (tokenTypes?.[id] === CONTROL) return token;
    return token.startsWith(wordStart) ? token.slice(1) : `##${token}`;
  });
}

/** WordPiece in the form of a `tokenizer.json`. */
export function wordPieceJson(metadata: GgufTokenizerMetadata, vocab: Record<string, number>, fail: Fail) {
  const { tokens, lowercase = true, stripAccents = null } = metadata;
  const unknownId = metadata.unknownId ?? vocab['[UNK]'];
  if (unknownId === undefined) return fail('a WordPiece vocabulary needs "tokenizer.ggml.unknown_token_id"');
  return {
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: stripAccents,
      lowercase,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      vocab,
      unk_token: tokens[unknownId]!,
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
    },
  };
}
