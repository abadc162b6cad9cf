import { LoadError } from '../error.ts';
import type { GgufTokenizerMetadata } from './gguf-tokenizer-metadata.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';

const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const CONTRACTIONS = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
const modern = (digits: string) =>
  `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
const UPPER = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]';
const LOWER = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]';
const LEAD = '[^\\r\\n\\p{L}\\p{N}]?';
const O200K = `${LEAD}${UPPER}*${LOWER}+${CONTRACTIONS}?|${LEAD}${UPPER}+${LOWER}*${CONTRACTIONS}?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

interface PreTokenizer {
  /** Applied one after the other; what lies between two matches is a piece too. */
  readonly patterns: readonly string[];
  /** A piece that is a token as a whole is taken at once. */
  readonly ignoreMerges?: boolean;
}

const PRE_TOKENIZERS: Readonly<Record<string, PreTokenizer>> = {
  'gpt-2': { patterns: [GPT2] },
  olmo: { patterns: [GPT2] },
  'phi-2': { patterns: [GPT2] },
  default: { patterns: ['[\\p{P}\\$\\+<=>\\^~\\|]+', GPT2, '\\p{N}+', '[0-9][0-9][0-9]'] },
  smollm: { patterns: ['\\p{N}', GPT2] },
  starcoder: { patterns: ['\\p{N}', GPT2] },
  'llama-bpe': { patterns: [modern('\\p{N}{1,3}')], ignoreMerges: true },
  llama3: { patterns: [modern('\\p{N}{1,3}')], ignoreMerges: true },
  qwen2: { patterns: [modern('\\p{N}')] },
  'gpt-4o': { patterns: [O200K] },
};

/** Token kinds of GGUF that text can spell as a whole. */
const UNKNOWN = 2;
const CONTROL = 3;
const USER_DEFINED = 4;

/**
 * The tokenizer of a GGUF file: byte-level BPE (`gpt2`) with a known pre-tokenizer, or SentencePiece BPE (`llama`).
 * @throws LoadError for other kinds, by name, and for malformed metadata.
 */
export function tokenizerFromGguf(metadata: GgufTokenizerMetadata, name = 'GGUF tokenizer'): Tokenizer {
  const fail = (what: string): never => {
    throw new LoadError(`${name}: ${what}`);
  };
  const { tokens, tokenTypes, model } = metadata;
  if (tokens.length === 0) fail('"tokenizer.ggml.tokens" is empty');
  if (tokenTypes !== undefined && tokenTypes.length !== tokens.length) {
    fail(`"tokenizer.ggml.token_type" has ${tokenTypes.length} entries for ${tokens.length} tokens`);
  }
  // A repeated entry keeps its first id, as readers of the format do.
  const vocab: Record<string, number> = Object.create(null);
  for (const [id, token] of tokens.entries()) vocab[token] ??= id;
  for (const key of ['bosId', 'eosId', 'unknownId', 'padId'] as const) {
    const id = metadata[key];
    if (id !== undefined && !(Number.isInteger(id) && id >= 0 && id < tokens.length))
      fail(`${key} ${id} is outside the vocabulary of ${tokens.length} tokens`);
  }

  const sentencePiece = model === 'llama';
  if (!sentencePiece && model !== 'gpt2')
    fail(`tokenizer model "${model}" is not supported (gpt2 and llama are); use the safetensors checkpoint`);
  const spelled = (kind: number | undefined) =>
    kind === CONTROL || kind === USER_DEFINED || (sentencePiece && kind === UNKNOWN);
  const json = {
    ...(sentencePiece ? sentencePieceJson(metadata, vocab, fail) : byteLevelJson(metadata, vocab, fail)),
    added_tokens: tokens.flatMap((content, id) =>
      spelled(tokenTypes?.[id]) && content !== ''
        ? [{ id, content, special: tokenTypes?.[id] !== USER_DEFINED, normalized: false }]
        : [],
    ),
    post_processor: null,
  };
  const { bosId, eosId, padId, unknownId, chatTemplate } = metadata;
  return createTokenizer({
    tokenizer: json,
    name,
    ...(bosId !== undefined && { bosId }),
    ...(eosId !== undefined && { eosId }),
    ...(padId !== undefined && { padId }),
    ...(unknownId !== undefined && { unknownId }),
    ...(chatTemplate !== undefined && { chatTemplate }),
    addsBos: metadata.addBos ?? sentencePiece,
  });
}

type Fail = (what: string) => never;

function byteLevelJson({ pre = 'default', merges }: GgufTokenizerMetadata, vocab: Record<string, number>, fail: Fail) {
  const known = Object.hasOwn(PRE_TOKENIZERS, pre) ? PRE_TOKENIZERS[pre] : undefined;
  const { patterns, ignoreMerges } =
    known ??
    fail(
      `pre-tokenizer "${pre}" is not supported (${Object.keys(PRE_TOKENIZERS).join(', ')} are); use the safetensors checkpoint`,
    );
  if (merges === undefined) fail('"tokenizer.ggml.merges" is missing');
  const splits = patterns.map((Regex) => ({ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false }));
  return {
    normalizer: null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [...splits, { type: 'ByteLevel', add_prefix_space: false, use_regex: false }],
    },
    decoder: { type: 'ByteLevel' },
    model: { type: 'BPE', vocab, merges, unk_token: null, ignore_merges: ignoreMerges ?? false },
  };
}

/** SentencePiece joins the pair whose result has the best score: the same as merges sorted by the score of their result. */
function sentencePieceJson(
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
