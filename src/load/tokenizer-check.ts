import { LoadError } from '../error.ts';

/** `tokenizer.json` after its shape and sizes were checked. */
export interface TokenizerJson {
  readonly added_tokens: readonly AddedToken[];
  readonly model: {
    readonly type: 'BPE' | 'WordPiece' | 'Unigram';
    readonly vocab: Readonly<Record<string, number>> | readonly (readonly [string, number])[];
    readonly merges?: readonly (string | readonly [string, string])[];
    readonly unk_token?: string | null;
    readonly byte_fallback?: boolean;
  };
  readonly normalizer: Stage | null;
  readonly pre_tokenizer: Stage | null;
  readonly post_processor: Stage | null;
  readonly decoder: Stage | null;
}

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special?: boolean;
}

type Stage = { readonly type: string } & Readonly<Record<string, unknown>>;

/** Far above any released tokenizer (262,144 tokens, 580,000 merges), low enough to stay within memory. */
const LIMITS = {
  ids: 4_000_000,
  merges: 8_000_000,
  token: 2_048,
  unigram: 256,
  added: 100_000,
  stages: 64,
  string: 100_000,
  depth: 16,
};

/**
 * Checks the shape and the sizes of an untrusted `tokenizer.json`, and that it asks for nothing the tokenizer library leaves out silently.
 * @throws LoadError naming the field.
 */
export function checkTokenizerJson(value: unknown, name: string): TokenizerJson {
  const fail = (what: string): never => {
    throw new LoadError(`${name}: ${what}; use another copy of the model`);
  };
  const json = object(value) ?? fail(`expected a JSON object, got ${kind(value)}`);
  const model = object(json.model) ?? fail(`"model" must be an object, got ${kind(json.model)}`);
  const type =
    model.type ?? (Array.isArray(model.vocab) ? 'Unigram' : model.merges === undefined ? 'WordPiece' : 'BPE');
  if (type !== 'BPE' && type !== 'WordPiece' && type !== 'Unigram') {
    return fail(`"model.type" ${JSON.stringify(type)} is not known, expected BPE, WordPiece or Unigram`);
  }
  const isId = (id: unknown) => Number.isInteger(id) && (id as number) >= 0 && (id as number) < LIMITS.ids;

  if (type === 'Unigram') {
    if (!Array.isArray(model.vocab) || model.vocab.length === 0 || model.vocab.length > LIMITS.ids)
      fail('"model.vocab" must be a list');
    for (const [id, entry] of (model.vocab as unknown[]).entries()) {
      const [text, score] = Array.isArray(entry) && entry.length === 2 ? entry : [];
      if (typeof text !== 'string' || text.length > LIMITS.unigram || !Number.isFinite(score))
        fail(`"model.vocab", entry ${id}, must be [text, score]`);
    }
    if (model.byte_fallback === true) fail('a Unigram model with byte_fallback is not supported');
  } else {
    const vocab = object(model.vocab) ?? fail(`"model.vocab" must be an object, got ${kind(model.vocab)}`);
    for (const text of Object.keys(vocab)) {
      if (text.length > LIMITS.token)
        fail(`"model.vocab" has a token of ${text.length} characters, at most ${LIMITS.token} are read`);
      if (!isId(vocab[text]))
        fail(
          `"model.vocab", token ${JSON.stringify(text.slice(0, 40))}: the id must be an integer from 0 to ${LIMITS.ids - 1}`,
        );
    }
  }
  if (type === 'BPE') {
    if (!Array.isArray(model.merges) || model.merges.length > LIMITS.merges) fail('"model.merges" must be a list');
    for (const [rank, merge] of (model.merges as unknown[]).entries()) {
      const parts = typeof merge === 'string' ? merge.split(' ') : merge;
      const pair =
        Array.isArray(parts) &&
        parts.length === 2 &&
        parts.every((part) => typeof part === 'string' && part.length <= LIMITS.token);
      if (!pair) fail(`"model.merges", entry ${rank}, must be two pieces`);
    }
    if (typeof model.dropout === 'number' && model.dropout > 0) fail('"model.dropout" would make the ids random');
  }
  const unknown = model.unk_token;
  if (unknown !== undefined && unknown !== null && typeof unknown !== 'string')
    fail('"model.unk_token" must be a string or null');

  const added = json.added_tokens ?? [];
  if (!Array.isArray(added) || added.length > LIMITS.added) return fail('"added_tokens" must be a list');
  for (const [index, entry] of added.entries()) {
    const { id, content } = object(entry) ?? {};
    if (!isId(id) || typeof content !== 'string' || content === '' || content.length > LIMITS.token)
      fail(`"added_tokens", entry ${index}, must have an id and a content`);
  }

  const stage = (key: string): Stage | null => {
    const found = json[key] ?? null;
    if (found === null) return null;
    const stages = checkStages(found, `"${key}"`, fail);
    if (stages > LIMITS.stages) fail(`"${key}" has ${stages} stages, at most ${LIMITS.stages} are read`);
    return (object(found) as Stage | undefined) ?? fail(`"${key}" must be an object or null, got ${kind(found)}`);
  };
  const checked = {
    added_tokens: added as AddedToken[],
    model: { ...model, type, merges: model.merges ?? [] } as unknown as TokenizerJson['model'],
    normalizer: stage('normalizer'),
    pre_tokenizer: stage('pre_tokenizer'),
    post_processor: stage('post_processor'),
    decoder: stage('decoder'),
  };
  checkSplits(checked, fail);
  return checked;
}

/** Whether a stage of this type occurs anywhere in a description of stages. */
export function hasStage(value: unknown, type: string): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return (
    (!Array.isArray(value) && (value as { type?: unknown }).type === type) ||
    Object.values(value).some((inner) => hasStage(inner, type))
  );
}

/** Number of objects with a type; bounds depth and strings on the way. */
function checkStages(value: unknown, place: string, fail: (what: string) => never, depth = 0): number {
  if (depth > LIMITS.depth) fail(`${place} is nested deeper than ${LIMITS.depth}`);
  if (typeof value === 'string' && value.length > LIMITS.string)
    fail(`${place} has a string of ${value.length} characters`);
  if (typeof value !== 'object' || value === null) return 0;
  let stages = 0;
  if (!Array.isArray(value)) {
    const { type, length } = value as { type?: unknown; length?: unknown };
    if (typeof type === 'string') stages += 1;
    const { pattern } = value as { pattern?: { String?: unknown; Regex?: unknown } | null };
    const wantsPattern = type === 'Split' || type === 'Replace';
    if (wantsPattern && typeof (pattern?.Regex ?? pattern?.String) !== 'string') {
      fail(`${place}: the "pattern" of a ${type} must be a String or a Regex`);
    }
    if (type === 'FixedLength' && !(Number.isInteger(length) && (length as number) > 0))
      fail(`${place}: "length" must be a positive integer`);
  }
  for (const [key, inner] of Object.entries(value)) {
    if (key !== 'precompiled_charsmap') stages += checkStages(inner, place, fail, depth + 1);
  }
  return stages;
}

/** The library cuts every other behaviour as if it were `Isolated`: harmless only where spaces were replaced before (Gemma). */
function checkSplits(json: TokenizerJson, fail: (what: string) => never): void {
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    const { type, behavior, pattern } = value as { type?: unknown; behavior?: unknown; pattern?: { String?: unknown } };
    const plain = behavior === undefined || behavior === 'Isolated' || behavior === 'Removed';
    const neverMatches = pattern?.String === ' ' && hasStage(json.normalizer, 'Replace');
    if (type === 'Split' && !plain && !neverMatches)
      fail(`a Split with behavior ${JSON.stringify(behavior)} is not supported`);
    for (const inner of Object.values(value)) visit(inner);
  };
  visit(json.pre_tokenizer);
}

/** What is used of the tokenizer library (its declarations do not resolve under NodeNext). */
export interface LibraryTokenizer {
  readonly normalizer: unknown;
  readonly pre_tokenizer: unknown;
  encode(
    text: string,
    options?: { add_special_tokens?: boolean; text_pair?: string; return_token_type_ids?: boolean },
  ): { ids: number[]; token_type_ids?: number[] };
  decode(ids: number[], options?: { skip_special_tokens?: boolean; clean_up_tokenization_spaces?: boolean }): string;
  token_to_id(token: string): number | undefined;
  id_to_token(id: number): string | undefined;
  get_vocab(withAddedTokens?: boolean): Map<string, number>;
}

interface RunningStage {
  normalize?: (text: string) => string;
  pre_tokenize_text?: (text: string, options: unknown) => string | string[];
  normalizers?: (RunningStage | null)[];
  tokenizers?: (RunningStage | null)[];
}

/** Lets no chain of normalisers or pre-tokenisers blow a text up: together they may write 64 times its length. */
export function boundStages(library: LibraryTokenizer, name: string): LibraryTokenizer {
  let left = 0;
  const spend = (characters: number) => {
    left -= characters;
    if (left < 0)
      throw new LoadError(`${name}: its normalizer or pre_tokenizer blows a text up; use another copy of the model`);
  };
  const bound = (stage: RunningStage | null): void => {
    if (stage === null) return;
    for (const inner of stage.normalizers ?? stage.tokenizers ?? []) bound(inner);
    const { normalize, pre_tokenize_text: cut } = stage;
    if (normalize !== undefined) {
      stage.normalize = (text) => {
        const result = normalize.call(stage, text);
        spend(result.length);
        return result;
      };
    }
    if (cut !== undefined) {
      stage.pre_tokenize_text = (text, options) => {
        const result = cut.call(stage, text, options);
        spend(
          typeof result === 'string' ? result.length : result.reduce((sum, piece) => sum + piece.length, result.length),
        );
        return result;
      };
    }
  };
  bound(library.normalizer as RunningStage | null);
  bound(library.pre_tokenizer as RunningStage | null);
  const encode = library.encode.bind(library);
  library.encode = (text, options) => {
    left = 64 * (text.length + (options?.text_pair?.length ?? 0)) + 65_536;
    return encode(text, options);
  };
  return library;
}

function object(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

function kind(value: unknown): string {
  return value === null
    ? 'null'
    : Array.isArray(value)
      ? 'a list'
      : value === undefined
        ? 'nothing'
        : `a ${typeof value}`;
}
