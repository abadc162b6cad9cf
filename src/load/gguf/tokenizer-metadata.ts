import { LoadError } from '../../error.ts';
import { quote, show } from '../strict-json.ts';

/** The tokenizer a GGUF file carries in its metadata (`tokenizer.ggml.*`), as stored: untrusted strings and ids, only types are checked. */
export interface GgufTokenizerMetadata {
  /** `gpt2` (byte-level BPE), `llama` (SentencePiece), `bert`, ... */
  readonly model: string;
  /** Name of the pre-tokenizer's regular expression, e.g. `smollm`, `llama-bpe`. */
  readonly pre?: string;
  /** Vocabulary, one string per id. */
  readonly tokens: readonly string[];
  /** BPE merges in order of priority, `left right`. */
  readonly merges?: readonly string[];
  /** Kind of each token: 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte. */
  readonly tokenTypes?: readonly number[];
  /** SentencePiece log probabilities. */
  readonly scores?: readonly number[];
  readonly bosId?: number;
  readonly eosId?: number;
  readonly unknownId?: number;
  readonly padId?: number;
  /** What WordPiece vocabularies put first. */
  readonly clsId?: number;
  readonly addBos?: boolean;
  readonly addEos?: boolean;
  readonly addSpacePrefix?: boolean;
  /** WordPiece: whether case and accents are dropped; default yes, and as for case. */
  readonly lowercase?: boolean;
  readonly stripAccents?: boolean;
  /** Jinja source. */
  readonly chatTemplate?: string;
}

const prefix = 'tokenizer.ggml.';

/** The tokenizer of a file's metadata; undefined when it carries none. Throws a LoadError for a field of the wrong type. */
export function readGgufTokenizer(
  metadata: ReadonlyMap<string, unknown>,
  place: string,
): GgufTokenizerMetadata | undefined {
  if (!metadata.has(`${prefix}model`)) return undefined;
  function field<T>(key: string, expected: string, accepts: (value: unknown) => value is T): T | undefined {
    const value = metadata.get(key);
    if (value === undefined || accepts(value)) return value;
    throw new LoadError(`${place}: metadata ${quote(key)} expected ${expected}, got ${show(value)}`);
  }
  const isString = (value: unknown): value is string => typeof value === 'string';
  const isBool = (value: unknown): value is boolean => typeof value === 'boolean';
  const isNumber = (value: unknown): value is number => typeof value === 'number';
  const isId = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0;
  const strings = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every(isString);
  const numbers = (value: unknown): value is readonly number[] => Array.isArray(value) && value.every(isNumber);
  const tokens = field(`${prefix}tokens`, 'a list of strings', strings);
  if (tokens === undefined) throw new LoadError(`${place}: metadata "${prefix}tokens" is missing`);
  const perToken = (key: string): readonly number[] | undefined => {
    const values = field(prefix + key, 'a list of numbers', numbers);
    if (values === undefined || values.length === tokens.length) return values;
    throw new LoadError(
      `${place}: metadata "${prefix}${key}" has ${values.length} elements for ${tokens.length} tokens`,
    );
  };
  const fields = {
    model: field(`${prefix}model`, 'a string', isString)!,
    pre: field(`${prefix}pre`, 'a string', isString),
    tokens,
    merges: field(`${prefix}merges`, 'a list of strings', strings),
    tokenTypes: perToken('token_type'),
    scores: perToken('scores'),
    bosId: field(`${prefix}bos_token_id`, 'a token id', isId),
    eosId: field(`${prefix}eos_token_id`, 'a token id', isId),
    unknownId: field(`${prefix}unknown_token_id`, 'a token id', isId),
    padId: field(`${prefix}padding_token_id`, 'a token id', isId),
    clsId: field(`${prefix}cls_token_id`, 'a token id', isId),
    addBos: field(`${prefix}add_bos_token`, 'true or false', isBool),
    addEos: field(`${prefix}add_eos_token`, 'true or false', isBool),
    addSpacePrefix: field(`${prefix}add_space_prefix`, 'true or false', isBool),
    lowercase: field(`${prefix}normalizer.lowercase`, 'true or false', isBool),
    stripAccents: field(`${prefix}normalizer.strip_accents`, 'true or false', isBool),
    chatTemplate: field('tokenizer.chat_template', 'a string', isString),
  };
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as unknown as GgufTokenizerMetadata;
}
