import { Tokenizer as Library } from '@huggingface/tokenizers';
import { InputError, LoadError } from '../error.ts';
import { quote } from './strict-json.ts';
import { withTimeLimit } from './time-limit.ts';
import { tokenReader } from './token-text.ts';
import {
  boundStages,
  checkTokenizerJson,
  hasStage,
  type LibraryTokenizer,
  type TokenizerJson,
} from './tokenizer-check.ts';

/** Text to ids and back, as the model's own file defines it. */
export interface Tokenizer {
  /** Highest id + 1. */
  readonly vocabularySize: number;
  readonly bosId?: number;
  readonly eosId?: number;
  readonly padId?: number;
  readonly unknownId?: number;
  readonly specialIds: ReadonlySet<number>;
  /** Jinja source. */
  readonly chatTemplate?: string;
  /**
   * Ids of a text; no BOS or other token is added.
   * @param options.specialTokens whether text that spells a special token becomes that token; default true.
   * @throws LoadError when the file's patterns need too long, InputError when the text is over 16 million characters.
   */
  encode(text: string, options?: { specialTokens?: boolean }): number[];
  /**
   * Ids of one text or of a pair with the tokens around them that the file's post-processor adds (`[CLS] a [SEP] b [SEP]`), and the
   * type of each: 0 for the first text, 1 for the second, or all 0 where the file does not tell them apart (RoBERTa). Text that
   * spells a special token becomes that token.
   * @throws as `encode`; InputError for an empty second text.
   */
  encodePair(first: string, second?: string): { ids: number[]; types: number[] };
  /** Whether the file itself puts BOS in front of every text (its post-processor, or `add_bos_token`). */
  readonly addsBos: boolean;
  /** Text of ids, special tokens included. Throws an InputError for an id outside the vocabulary. */
  decode(ids: readonly number[]): string;
  /** Text of one token alone; parts of a UTF-8 sequence are shown as U+FFFD. */
  token(id: number): string;
  /** UTF-8 bytes that one token stands for: for part of a character, the bytes themselves. */
  tokenBytes(id: number): Uint8Array;
}

/** What is known about special ids beside `tokenizer.json`; given ids win over what the files say. */
export interface TokenizerSource {
  /** Parsed `tokenizer.json`. */
  readonly tokenizer: unknown;
  /** Parsed `tokenizer_config.json`. */
  readonly config?: unknown;
  /** Parsed `special_tokens_map.json`. */
  readonly specialTokensMap?: unknown;
  /** `chat_template.jinja`; wins over the one in `config`. */
  readonly chatTemplate?: string;
  readonly bosId?: number;
  readonly eosId?: number;
  readonly padId?: number;
  readonly unknownId?: number;
  readonly addsBos?: boolean;
  /** Names the file in errors; default `tokenizer.json`. */
  readonly name?: string;
}

const MAXIMUM_TEXT = 16_000_000;

/** Milliseconds: about 50 times what a usual tokenizer needs. */
const encodeLimit = (characters: number) => 2_000 + Math.ceil(characters / 20);

/**
 * A tokenizer from parsed files, in Node and in the page.
 * @throws LoadError when a file is malformed, larger than any real one, or asks for code.
 */
export function createTokenizer(source: TokenizerSource): Tokenizer {
  const name = source.name ?? 'tokenizer.json';
  const json = checkTokenizerJson(source.tokenizer, name);
  const config = record(source.config);
  const map = record(source.specialTokensMap);
  if (config.auto_map !== undefined) {
    throw new LoadError(
      `${name}: tokenizer_config.json asks for Python code of its own (auto_map), which is never run; use a checkpoint with a plain tokenizer.json`,
    );
  }
  const library = build(json, config, name);
  for (const { id, content } of json.added_tokens) {
    const given = library.token_to_id(content);
    if (given !== id)
      throw new LoadError(
        `${name}: added token ${quote(content)} is said to have id ${id}, the vocabulary gives it ${given ?? 'none'}; use another copy of the model`,
      );
  }
  const plain = lazily(() =>
    build({ ...json, added_tokens: json.added_tokens.filter((token) => token.special !== true) }, config, name),
  );

  const limited = <T>(what: string, size: number, work: () => T): T =>
    guarded(`${name}, ${what}`, () => withTimeLimit(`${name}, ${what}`, encodeLimit(size), work));
  const run = (tokenizer: LibraryTokenizer, options: { add_special_tokens: boolean }, text: string, pair?: string) => {
    const length = text.length + (pair?.length ?? 0);
    if (length > MAXIMUM_TEXT) {
      throw new InputError(`text: at most ${MAXIMUM_TEXT} characters can be encoded at once, got ${length}; split it`);
    }
    const encoding = limited(`encoding ${length} characters`, length, () =>
      tokenizer.encode(text, {
        ...options,
        ...(pair !== undefined && { text_pair: pair }),
        return_token_type_ids: true,
      }),
    );
    if (!encoding.ids.every((id) => Number.isSafeInteger(id))) {
      throw new LoadError(
        `${name}: the text has a piece that is not in the vocabulary and the file names no unknown token`,
      );
    }
    return encoding;
  };
  const encodeWith = (tokenizer: LibraryTokenizer, text: string, add_special_tokens: boolean): number[] =>
    run(tokenizer, { add_special_tokens }, text).ids;
  const post = (type: string) => hasStage(json.post_processor, type);
  const joins = ['TemplateProcessing', 'BertProcessing', 'RobertaProcessing'].some(post);
  const encodePair = (first: string, second?: string): { ids: number[]; types: number[] } => {
    // The library takes an empty second text for none.
    if (second === '') throw new InputError('text pair: the second text is empty; leave it out');
    if (!joins) {
      // Without such a stage one follows the other; the library would leave the second out.
      const parts = [encodeWith(library, first, true), second === undefined ? [] : encodeWith(library, second, true)];
      return { ids: parts.flat(), types: parts.flatMap((ids, type) => ids.map(() => type)) };
    }
    const { ids, token_type_ids: types } = run(library, { add_special_tokens: true }, first, second);
    // The library numbers the texts under RoBERTa's stage too, which has one type only.
    return { ids, types: ids.map((_, index) => (post('RobertaProcessing') ? 0 : (types?.[index] ?? 0))) };
  };

  const named = (key: string): number | undefined => {
    const value = config[key] ?? map[key];
    const content = typeof value === 'string' ? value : record(value).content;
    return typeof content === 'string' ? library.token_to_id(content) : undefined;
  };
  const first = encodeWith(library, 'a', true)[0];
  const putsFirst = first !== undefined && first !== encodeWith(library, 'a', false)[0] ? first : undefined;
  const bosId = source.bosId ?? named('bos_token') ?? putsFirst;
  const setting = typeof config.add_bos_token === 'boolean' ? config.add_bos_token : undefined;
  const addsBos = bosId !== undefined && (source.addsBos ?? setting ?? putsFirst === bosId);

  const read = tokenReader(json);
  // The library counts a missing unknown token as a word without text.
  const words = [...library.get_vocab(true)].filter(([word]) => typeof word === 'string');
  let vocabularySize = 0;
  for (const [, id] of words) vocabularySize = Math.max(vocabularySize, id + 1);
  const specialIds = new Set(json.added_tokens.filter((token) => token.special === true).map((token) => token.id));
  const stored = (id: number): string => {
    const text = Number.isInteger(id) && id >= 0 ? library.id_to_token(id) : undefined;
    if (text === undefined) throw new InputError(`token id ${id}: the vocabulary has ids 0 to ${vocabularySize - 1}`);
    return text;
  };

  const eosId = source.eosId ?? named('eos_token');
  const padId = source.padId ?? named('pad_token');
  const unknownId =
    source.unknownId ??
    named('unk_token') ??
    (json.model.unk_token == null ? undefined : library.token_to_id(json.model.unk_token));
  const chatTemplate = source.chatTemplate ?? templateOf(config.chat_template);
  return {
    vocabularySize,
    ...(bosId !== undefined && { bosId }),
    ...(eosId !== undefined && { eosId }),
    ...(padId !== undefined && { padId }),
    ...(unknownId !== undefined && { unknownId }),
    ...(chatTemplate !== undefined && { chatTemplate }),
    specialIds,
    addsBos,
    encodePair,
    encode: (text, options) => encodeWith((options?.specialTokens ?? true) ? library : plain(), text, false),
    decode(ids) {
      const texts = ids.map(stored);
      if (ids.length === 0) return '';
      if (read.join !== undefined)
        return read.join(texts.map((text, index) => read.bytes(text, specialIds.has(ids[index]!))));
      const options = { skip_special_tokens: false, clean_up_tokenization_spaces: false };
      return limited(`decoding ${ids.length} ids`, ids.length * 10, () => library.decode([...ids], options));
    },
    token: (id) => read.text(stored(id), specialIds.has(id)),
    tokenBytes: (id) => read.bytes(stored(id), specialIds.has(id)),
  };
}

/**
 * Puts BOS in front: `auto` as the tokenizer's file says, `add` always, `none` never. Ids that begin with BOS already are left alone.
 * @throws InputError for `add` when the tokenizer has no BOS.
 */
export function withBos(
  tokenizer: Tokenizer,
  ids: readonly number[],
  mode: 'auto' | 'add' | 'none',
): { ids: number[]; bosAdded: boolean } {
  if (mode === 'none' || (mode === 'auto' && !tokenizer.addsBos)) return { ids: [...ids], bosAdded: false };
  const { bosId } = tokenizer;
  if (bosId === undefined) throw new InputError('--bos add: this tokenizer names no BOS token; use --bos auto or none');
  if (ids[0] === bosId) return { ids: [...ids], bosAdded: false };
  return { ids: [bosId, ...ids], bosAdded: true };
}

function build(json: TokenizerJson, config: Record<string, unknown>, name: string): LibraryTokenizer {
  // Only what changes how text is cut; the rest of the file is not the library's business.
  const kept = Object.fromEntries(
    ['remove_space', 'do_lowercase_and_remove_accent', 'eos_token'].flatMap((key) =>
      Object.hasOwn(config, key) ? [[key, config[key]]] : [],
    ),
  );
  return guarded(name, () => withTimeLimit(name, 20_000, () => boundStages(new Library(json, kept), name)));
}

/** The library's own errors, and engine errors such as an invalid regular expression, say little to a user: name the file. */
function guarded<T>(name: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof LoadError || error instanceof InputError) throw error;
    const reason = (error instanceof Error ? error.message : String(error)).slice(0, 300);
    throw new LoadError(`${name}: the tokenizer cannot be used (${reason}); use another copy of the model`);
  }
}

function lazily<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

/** One template, or the one named `default` of a list. */
function templateOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return undefined;
  const found = value.map(record).find((entry) => entry.name === 'default')?.template;
  return typeof found === 'string' ? found : undefined;
}
