import { InputError } from '../error.ts';
import { BYTE_OF } from '../load/token-text.ts';
import { learnMerges } from './bpe-merges.ts';
import { detached, forEachPiece, type PiecePattern, piecePatterns, preTokenizer } from './bpe-pieces.ts';

export interface BpeOptions {
  /** Special tokens, 256 bytes and merges together: from 256 + special tokens to 65,536; default 4,096. */
  readonly vocabularySize?: number;
  /** Ids 0, 1, …: the first is BOS, put in front of every text, the second EOS; default `<|bos|>`, `<|eos|>`. */
  readonly specialTokens?: readonly string[];
  /** How text is cut into pieces: `smollm` (every digit alone, default) or `gpt-2`. */
  readonly pattern?: PiecePattern;
  /** A pair that occurs less often is not merged; at least 1, default 2. */
  readonly minimumFrequency?: number;
  /** Different pieces kept while counting: when there are more, those seen least are dropped; default 2,000,000. */
  readonly maximumPieces?: number;
}

export interface TrainedBpe {
  /** `tokenizer.json`. */
  readonly tokenizer: TokenizerFile;
  /** `tokenizer_config.json`. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Tokens there are: fewer than asked for when no pair is frequent enough. */
  readonly vocabularySize: number;
  /** Different pieces that were counted. */
  readonly pieces: number;
  /** Pieces dropped because there were more than `maximumPieces` (0: the counts are exact). */
  readonly droppedPieces: number;
  /** Occurrences left out because a piece was longer than 1,024 characters. */
  readonly longPieces: number;
}

/** A byte-level BPE `tokenizer.json`, as the tokenizers library writes it. */
export type TokenizerFile = ReturnType<typeof tokenizerFile>;

const LONGEST_PIECE = 1_024;

/**
 * Trains a byte-level BPE tokenizer (arXiv 1508.07909, over bytes as in GPT-2), the same for the same texts and options everywhere: of pairs with
 * equal counts the one with the smaller ids is merged first. Ids: special tokens, the 256 bytes in the order of their printable stand-ins, merges.
 *
 * @param texts each text is cut into pieces by itself; none is kept.
 * @throws InputError for an option outside its range, or when the texts are empty.
 */
export async function trainBpe(
  texts: Iterable<string> | AsyncIterable<string>,
  options: BpeOptions = {},
): Promise<TrainedBpe> {
  const { vocabularySize = 4_096, specialTokens = ['<|bos|>', '<|eos|>'], pattern = 'smollm' } = options;
  const { minimumFrequency = 2, maximumPieces = 2_000_000 } = options;
  checkOptions({ vocabularySize, specialTokens, pattern, minimumFrequency, maximumPieces });

  const pieces = new Map<string, number>();
  let droppedPieces = 0;
  let longPieces = 0;
  for await (const text of texts) {
    if (typeof text !== 'string') throw new InputError(`trainBpe, texts: expected strings, got a ${typeof text}`);
    forEachPiece(text, pattern, (piece) => {
      const count = pieces.get(piece);
      if (count !== undefined) pieces.set(piece, count + 1);
      else if (piece.length > LONGEST_PIECE) longPieces += 1;
      else {
        pieces.set(detached(piece), 1);
        if (pieces.size > maximumPieces) droppedPieces += dropRarest(pieces, maximumPieces >> 1);
      }
    });
  }
  if (pieces.size === 0) throw new InputError('trainBpe, texts: no text came; give at least one that is not empty');

  const alphabet = [...BYTE_OF].sort(([a], [b]) => (a < b ? -1 : 1));
  const byteIds = new Array<number>(256);
  for (const [index, [, byte]] of alphabet.entries()) byteIds[byte] = specialTokens.length + index;
  const { tokens, merges } = learnMerges(pieces, {
    tokens: [...specialTokens, ...alphabet.map(([stored]) => stored)],
    byteIds,
    vocabularySize,
    minimumFrequency,
  });
  return {
    tokenizer: tokenizerFile(tokens, merges, specialTokens, pattern),
    config: configFile(specialTokens),
    vocabularySize: tokens.length,
    pieces: pieces.size,
    droppedPieces,
    longPieces,
  };
}

function checkOptions(options: Required<BpeOptions>): void {
  const { vocabularySize, specialTokens, pattern, minimumFrequency, maximumPieces } = options;
  const smallest = 256 + specialTokens.length;
  if (!Number.isInteger(vocabularySize) || vocabularySize < smallest || vocabularySize > 65_536) {
    throw new InputError(
      `trainBpe, vocabularySize: expected an integer from ${smallest} (256 bytes and ${specialTokens.length} special tokens) to 65536, got ${vocabularySize}`,
    );
  }
  const spelled = new Set(specialTokens);
  const plain = (token: unknown) => typeof token === 'string' && token.length > 1 && token.length <= 256;
  if (spelled.size !== specialTokens.length || !specialTokens.every(plain)) {
    throw new InputError(
      `trainBpe, specialTokens: expected different texts of 2 to 256 characters, got ${JSON.stringify(specialTokens).slice(0, 100)}`,
    );
  }
  if (!piecePatterns.includes(pattern)) {
    throw new InputError(`trainBpe, pattern: expected ${piecePatterns.join(' or ')}, got ${JSON.stringify(pattern)}`);
  }
  for (const [name, value] of Object.entries({ minimumFrequency, maximumPieces })) {
    if (!Number.isInteger(value) || value < 1)
      throw new InputError(`trainBpe, ${name}: expected an integer of at least 1, got ${value}`);
  }
}

/** Drops pieces by rising count until at most `keep` are left; ties by whole counts, so that order does not matter. Returns how many. */
function dropRarest(pieces: Map<string, number>, keep: number): number {
  const before = pieces.size;
  for (let count = 1; pieces.size > keep; count++) {
    for (const [piece, found] of pieces) if (found <= count) pieces.delete(piece);
  }
  return before - pieces.size;
}

function tokenizerFile(
  tokens: readonly string[],
  merges: readonly (readonly [string, string])[],
  specialTokens: readonly string[],
  pattern: PiecePattern,
) {
  const [bos] = specialTokens;
  const text = (id: 'A' | 'B', type_id: number) => ({ Sequence: { id, type_id } });
  const start = (type_id: number) => (bos === undefined ? [] : [{ SpecialToken: { id: bos, type_id } }]);
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specialTokens.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: preTokenizer(pattern),
    post_processor: {
      type: 'TemplateProcessing',
      single: [...start(0), text('A', 0)],
      pair: [...start(0), text('A', 0), ...start(1), text('B', 1)],
      special_tokens: bos === undefined ? {} : { [bos]: { id: bos, ids: [0], tokens: [bos] } },
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  };
}

function configFile([bos, eos]: readonly string[]): Readonly<Record<string, unknown>> {
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    ...(bos !== undefined && { bos_token: bos, add_bos_token: true }),
    ...(eos !== undefined && { eos_token: eos }),
    clean_up_tokenization_spaces: false,
  };
}
