import { InputError } from '../error.ts';
import type { Tokenizer } from '../load/tokenizer.ts';
import { encode } from './encode.ts';
import { greedyText } from './greedy.ts';
import type { FeatureBatch, MemoryBatch } from './input.ts';
import type { Model } from './model.ts';
import { nonSpeechIds } from './non-speech.ts';

export interface TranscribeOptions {
  /** Does the model know languages and tasks? Default: it has the vocabulary of those that do, 51,865 tokens or more. */
  readonly multilingual?: boolean | undefined;
  /** Of the speech, as the tokens call it: `en`, `de`. Multilingual models only. Default: the most probable. */
  readonly language?: string | undefined;
  /** `translate`: into English. Multilingual models only. Default transcribe. */
  readonly task?: 'transcribe' | 'translate' | undefined;
  /** Tokens of the text at most, prompt among them. Default: as many as the decoder has positions for. */
  readonly longest?: number | undefined;
  /** Default: the model's. */
  readonly tokenizer?: Tokenizer | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Transcript {
  /** What was said, without spaces around it. */
  readonly text: string;
  /** What the decoder has read: the prompt and the text, without the token that ends it. */
  readonly ids: readonly number[];
  /** Number of ids of the prompt: `<|startoftranscript|>`, language and task where the model knows them, `<|notimestamps|>`. */
  readonly prompt: number;
  readonly language?: string;
  /** Did the model end the text? Else it is as long as it may be. */
  readonly ended: boolean;
  /** What the encoder gave, for the decoder to look at again. */
  readonly memory: MemoryBatch;
}

/**
 * What is said in a spectrogram, by a model as Whisper is (2212.04356): the encoder reads it once, then the most probable token follows, without
 * times of words, until the model ends the text. Left out are tokens that stand for no speech: signs, notes and special tokens.
 *
 * @param model any part of the checkpoint
 * @param features one spectrogram, [1, C, N]
 * @throws InputError for a model of other parts, a tokenizer without the tokens of the prompt, a language that it does not know.
 */
export async function transcribe(
  model: Model,
  features: FeatureBatch,
  options: TranscribeOptions = {},
): Promise<Transcript> {
  const [encoder, decoder] = [model.parts.get('encoder'), model.parts.get('decoder')];
  if (encoder?.stack.reads !== 'features' || !decoder)
    throw new InputError(
      `transcribe: expected a model of an encoder of spectrograms and a decoder, got ${model.stack.family}`,
    );
  const tokenizer = options.tokenizer ?? model.tokenizer;
  if (!tokenizer) throw new InputError('transcribe: this model has no tokenizer; give one');
  if (features.shape[0] !== 1)
    throw new InputError(`transcribe: expected one spectrogram, got a batch of ${features.shape[0]}`);
  const { signal, longest } = options;
  const special = specialTokens(tokenizer);
  const { multilingual = (decoder.stack.sizes.V ?? 0) >= 51_865, language: asked, task = 'transcribe' } = options;
  if (!multilingual && asked !== undefined && asked !== 'en')
    throw new InputError(`language: this model knows English speech alone, got ${shown(asked)}`);
  if (!multilingual && task !== 'transcribe')
    throw new InputError('task: this model knows English speech alone and cannot translate');
  const { languages } = special;
  const known = [...languages.values()];
  if (asked !== undefined && !known.includes(asked))
    throw new InputError(`language ${shown(asked)}: the tokenizer has ${known.join(', ')}`);

  const memory = await encode(encoder, features);
  const start = special.of('startoftranscript');
  const end = special.of('endoftext');
  const language = multilingual ? (asked ?? (await spoken())) : undefined;
  const told = language === undefined ? [] : [special.of(language), special.of(task)];
  const last = special.of('notimestamps');
  const prompt = [start, ...told, last];
  const silent = new Set([...nonSpeechIds(tokenizer), ...tokenizer.specialIds]);
  // Nothing begins with a space alone or with its end; ids behind the last of the prompt are times.
  const notFirst = new Set([end, ...tokenizer.encode(' ')]);
  const { ids, ended } = await greedyText(decoder, memory, {
    ...{ start: prompt, stop: [end], longest, signal },
    allows: (id, given) => {
      if (given === 0 && notFirst.has(id)) return false;
      return id === end || (id < last && !silent.has(id));
    },
  });
  return {
    text: tokenizer.decode(ids.slice(prompt.length)).trim(),
    ...{ ids, prompt: prompt.length, ended, memory },
    ...(language === undefined ? {} : { language }),
  };

  /** The language whose token is the most probable after the first. */
  async function spoken(): Promise<string> {
    const { ids: two } = await greedyText(decoder!, memory, {
      ...{ start: [start], stop: [], longest: 2, signal, allows: (id: number) => languages.has(id) },
    });
    return languages.get(two[1]!)!;
  }
}

const shown = (text: string) => JSON.stringify(text.slice(0, 40));

/** The special tokens of a tokenizer by what stands between `<|` and `|>`. */
function specialTokens(tokenizer: Tokenizer) {
  const ids = new Map<string, number>();
  for (const id of tokenizer.specialIds) {
    const [, name] = /^<\|(.+)\|>$/.exec(tokenizer.token(id)) ?? [];
    if (name !== undefined) ids.set(name, id);
  }
  return {
    of(name: string): number {
      const id = ids.get(name);
      if (id === undefined)
        throw new InputError(`tokenizer: there is no token <|${name.slice(0, 40)}|>, which a transcript needs`);
      return id;
    },
    languages: new Map([...ids].flatMap(([name, id]) => (/^[a-z]{2,3}$/.test(name) ? [[id, name] as const] : []))),
  };
}
