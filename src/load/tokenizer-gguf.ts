import { LoadError } from '../error.ts';
import { byteLevelJson, byteLevelPreTokenizer } from './gguf/byte-level.ts';
import { sentencePieceJson } from './gguf/sentence-piece.ts';
import type { GgufTokenizerMetadata } from './gguf/tokenizer-metadata.ts';
import { wordPieceJson, wordPieceTokens } from './gguf/word-piece.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';

const models = ['gpt2', 'llama', 'bert'] as const;

/** Token kinds of GGUF that text can spell as a whole. */
const UNKNOWN = 2;
const CONTROL = 3;
const USER_DEFINED = 4;

/**
 * The tokenizer of a GGUF file: byte-level BPE (`gpt2`) with a known pre-tokenizer, SentencePiece BPE (`llama`) or WordPiece (`bert`).
 * @throws LoadError for other kinds, by name, and for malformed metadata.
 */
export function tokenizerFromGguf(metadata: GgufTokenizerMetadata, name = 'GGUF tokenizer'): Tokenizer {
  const fail = (what: string): never => {
    throw new LoadError(`${name}: ${what}`);
  };
  const { tokenTypes } = metadata;
  const model =
    models.find((known) => known === metadata.model) ??
    fail(
      `tokenizer model "${metadata.model}" is not supported (${models.join(', ')} are); use the safetensors checkpoint`,
    );
  if (metadata.tokens.length === 0) fail('"tokenizer.ggml.tokens" is empty');
  if (tokenTypes !== undefined && tokenTypes.length !== metadata.tokens.length) {
    fail(`"tokenizer.ggml.token_type" has ${tokenTypes.length} entries for ${metadata.tokens.length} tokens`);
  }
  const tokens = model === 'bert' ? wordPieceTokens(metadata) : metadata.tokens;
  // A repeated entry keeps its first id, as readers of the format do.
  const vocab: Record<string, number> = Object.create(null);
  for (const [id, token] of tokens.entries()) vocab[token] ??= id;
  for (const key of ['bosId', 'eosId', 'unknownId', 'padId', 'clsId'] as const) {
    const id = metadata[key];
    if (id !== undefined && !(Number.isInteger(id) && id >= 0 && id < tokens.length))
      fail(`${key} ${id} is outside the vocabulary of ${tokens.length} tokens`);
  }

  const spelled = (kind: number | undefined) =>
    kind === CONTROL || kind === USER_DEFINED || (model === 'llama' && kind === UNKNOWN);
  const make = { gpt2: byteLevelJson, llama: sentencePieceJson, bert: wordPieceJson }[model];
  const json = {
    ...make({ ...metadata, tokens }, vocab, fail),
    added_tokens: tokens.flatMap((content, id) =>
      spelled(tokenTypes?.[id]) && content !== '' && vocab[content] === id
        ? [{ id, content, special: tokenTypes?.[id] !== USER_DEFINED, normalized: false }]
        : [],
    ),
    post_processor: null,
  };
  const { eosId, padId, unknownId, chatTemplate } = metadata;
  const bosId = metadata.bosId ?? metadata.clsId;
  const usual = model === 'gpt2' ? byteLevelPreTokenizer(metadata, fail).addBos === true : true;
  return createTokenizer({
    tokenizer: json,
    name,
    ...(bosId !== undefined && { bosId }),
    ...(eosId !== undefined && { eosId }),
    ...(padId !== undefined && { padId }),
    ...(unknownId !== undefined && { unknownId }),
    ...(chatTemplate !== undefined && { chatTemplate }),
    addsBos: metadata.addBos ?? usual,
  });
}
