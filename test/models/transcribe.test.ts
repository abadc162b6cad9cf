import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openLocal } from '../../src/load/open-local.ts';
import type { Tokenizer } from '../../src/load/tokenizer.ts';
import { loadTokenizer } from '../../src/load/tokenizer-node.ts';
import { greedyText } from '../../src/models/greedy.ts';
import type { FeatureBatch, MemoryBatch } from '../../src/models/input.ts';
import { createModel, type Model } from '../../src/models/model.ts';
import { nonSpeechIds } from '../../src/models/non-speech.ts';
import { run } from '../../src/models/run.ts';
import { transcribe } from '../../src/models/transcribe.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { bundled } from '../fixtures.ts';
import { familyFolder, furthest, open, someIds } from './support.ts';

const folder = familyFolder('whisper');
const here = folder !== undefined;

/** Words are `a0` to `a96`, with the special tokens of a model of two languages at the end. */
const special = ['endoftext', 'startoftranscript', 'en', 'de', 'translate', 'transcribe', 'notimestamps'];
const first = 90;
const idOf = (name: string) => first + special.indexOf(name);
const toyTokenizer = (names: readonly string[] = special): Tokenizer => ({
  vocabularySize: 97,
  specialIds: new Set(names.map(idOf)),
  addsBos: false,
  encodePair: () => ({ ids: [], types: [] }),
  encode: (text) => (text === ' ' ? [7] : text === ' -' ? [11] : [1, 2]),
  decode: (ids) => ` ${ids.map((id) => `a${id}`).join(' ')} `,
  token: (id) => (id < first ? `a${id}` : `<|${special[id - first]}|>`),
  tokenBytes: () => new Uint8Array(),
});

const features = (B = 1): FeatureBatch => ({
  features: Float32Array.from({ length: B * 8 * 40 }, (_, i) => Math.sin(i * 0.7) + Math.cos(i * i * 0.01)),
  shape: [B, 8, 40],
});

const someMemory = (S: number): MemoryBatch => ({
  values: Float32Array.from({ length: S * 32 }, (_, i) => 2 * Math.sin(i * 1.3)),
  shape: [1, S, 32],
});

/** The most probable allowed token behind a text, from the whole graph. */
async function after(model: Model, ids: readonly number[], memory: MemoryBatch, allowed: (id: number) => boolean) {
  const { logits } = await run(model, { ids: [ids], memory });
  const last = Array.from((logits!.data as Float32Array).subarray(-97), (logit, id) => ({ logit, id }));
  return last.filter(({ id }) => allowed(id)).reduce((best, one) => (one.logit > best.logit ? one : best)).id;
}

describe.skipIf(!here)(`a text that is written greedily${here ? '' : ' (needs the shared fixtures)'}`, () => {
  it.each([undefined, Uint8Array.of(1, 1, 1, 1, 0, 0)])(
    'is that of reading the whole text again for each token, memory padded: %o',
    async (real) => {
      await using model = await open(folder!);
      const memory = { ...someMemory(6), ...(real ? { real } : {}) };
      const start = someIds(4);
      const { ids, ended } = await greedyText(model, memory, { start, stop: [], longest: 14 });
      expect([ids.length, ended]).toEqual([14, false]);
      for (let length = 4; length < 14; length++)
        expect(await after(model, ids.slice(0, length), memory, () => true)).toBe(ids[length]);
    },
  );

  it('ends before a stop id, at the longest text, and with the positions that there are', async () => {
    await using model = await open(folder!);
    const memory = someMemory(5);
    const start = someIds(3);
    const { ids } = await greedyText(model, memory, { start, stop: [] });
    expect(ids.length).toBe(32);
    const stop = ids[3]!;
    expect(await greedyText(model, memory, { start, stop: [stop] })).toEqual({ ids: start, ended: true });
    expect(await greedyText(model, memory, { start, stop: [], longest: 3 })).toEqual({ ids: start, ended: false });
    const allows = (id: number, given: number) => id >= 50 + given;
    const { ids: allowed } = await greedyText(model, memory, { start, stop: [], longest: 20, allows });
    expect(allowed.slice(3).every((id, given) => id >= 50 + given)).toBe(true);
  });

  it('several are written at once with one program, which is freed behind the last', async () => {
    await using model = await open(folder!);
    const [one, two] = [someMemory(5), someMemory(9)];
    const options = { start: someIds(2), stop: [], longest: 12 };
    const alone = [await greedyText(model, one, options), await greedyText(model, two, options)];
    const before = model.runtime.sessionCount;
    expect(await Promise.all([greedyText(model, one, options), greedyText(model, two, options)])).toEqual(alone);
    expect(model.runtime.sessionCount).toBe(before);
  });

  it.each([
    [{ start: [] }, 'start: expected 1 to 32 token ids, got 0'],
    [{ start: [97] }, 'ids: text 0, position 0: expected a token id from 0 to 96, got 97'],
    [{ longest: 33 }, 'longest: whisper decoder writes texts of 1 to 32 tokens, got 33'],
    [{ allows: () => false }, 'greedy text: no token is allowed that has a number as its logit'],
  ])('refuses %o', async (wrong, message) => {
    await using model = await open(folder!);
    await expect(greedyText(model, someMemory(3), { start: [1], stop: [], ...wrong })).rejects.toThrow(message);
  });

  it('refuses models that look at no memory, batches and what was cancelled', async () => {
    await using model = await open(folder!);
    const options = { start: [1], stop: [] };
    await expect(greedyText(model.parts.get('encoder')!, someMemory(3), options)).rejects.toThrow(
      'whisper encoder: expected a decoder that looks at what an encoder gave',
    );
    const two = { values: new Float32Array(2 * 3 * 32), shape: [2, 3, 32] } as const;
    await expect(greedyText(model, two, options)).rejects.toThrow('memory: expected one text, got a batch of 2');
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(greedyText(model, someMemory(3), { ...options, signal })).rejects.toThrow('enough');
  });
});

describe.skipIf(!here)(`a transcript${here ? '' : ' (needs the shared fixtures)'}`, () => {
  it('of a model that knows English alone: prompt of two tokens, no signs, no special tokens, no times', async () => {
    await using model = await open(folder!);
    const made = await transcribe(model, features(), { tokenizer: toyTokenizer(), longest: 12 });
    expect(made.ids.slice(0, 2)).toEqual([idOf('startoftranscript'), idOf('notimestamps')]);
    expect([made.prompt, made.language, made.memory.shape]).toEqual([2, undefined, [1, 20, 32]]);
    expect(made.text).toBe(
      made.ids
        .slice(2)
        .map((id) => `a${id}`)
        .join(' '),
    );
    const { captured } = await run(model.parts.get('encoder')!, features(), { capture: ['ln_final.hook_out'] });
    expect(furthest(made.memory.values, captured.get('ln_final.hook_out')!.data as Float32Array)).toBe(0);
    const end = idOf('endoftext');
    // Of " '" the first of two tokens is left out as well.
    const silent = [11, 1];
    for (let length = 2; length <= made.ids.length; length++) {
      const allowed = (id: number) =>
        (id < first && !silent.includes(id) && !(length === 2 && id === 7)) || (length > 2 && id === end);
      const next = made.ids[length] ?? (made.ended ? end : undefined);
      if (next !== undefined) expect(await after(model, made.ids.slice(0, length), made.memory, allowed)).toBe(next);
    }
    expect(made.ended || made.ids.length === 12).toBe(true);
  });

  it('of a model of several languages is told the language and the task, or finds the language', async () => {
    await using model = await open(folder!);
    const options = { tokenizer: toyTokenizer(), multilingual: true, longest: 8 };
    const told = await transcribe(model, features(), { ...options, language: 'de', task: 'translate' });
    const names = ['startoftranscript', 'de', 'translate', 'notimestamps'];
    expect([told.ids.slice(0, 4), told.prompt, told.language]).toEqual([names.map(idOf), 4, 'de']);
    const found = await transcribe(model, features(), options);
    const best = await after(model, [idOf('startoftranscript')], found.memory, (id) =>
      ['en', 'de'].map(idOf).includes(id),
    );
    expect(found.ids.slice(0, 4)).toEqual([idOf('startoftranscript'), best, idOf('transcribe'), idOf('notimestamps')]);
    expect(idOf(found.language!)).toBe(best);
  });

  it.each([
    [{ language: 'de' }, 'language: this model knows English speech alone, got "de"'],
    [{ task: 'translate' }, 'task: this model knows English speech alone and cannot translate'],
    [{ multilingual: true, language: 'fr' }, 'language "fr": the tokenizer has en, de'],
    [
      { tokenizer: toyTokenizer(special.slice(0, -1)) },
      'tokenizer: there is no token <|notimestamps|>, which a transcript needs',
    ],
    [{ tokenizer: undefined }, 'transcribe: this model has no tokenizer; give one'],
  ] as const)('refuses %o', async (wrong, message) => {
    await using model = await open(folder!);
    const options = { tokenizer: toyTokenizer(), ...wrong } as Parameters<typeof transcribe>[2];
    await expect(transcribe(model, features(), options)).rejects.toThrow(message);
  });

  it('refuses several spectrograms at once, and models that hear nothing', async () => {
    await using model = await open(folder!);
    const options = { tokenizer: toyTokenizer() };
    await expect(transcribe(model, features(2), options)).rejects.toThrow(
      'transcribe: expected one spectrogram, got a batch of 2',
    );
    await using llama = await open(bundled('families/llama'));
    await expect(transcribe(llama, features(), options)).rejects.toThrow(
      'transcribe: expected a model of an encoder of spectrograms and a decoder, got llama',
    );
  });
});

/** Of Whisper tiny.en by transformers in float64: stream after the encoder at positions 0, 700 and 1499, first three components. */
const streams = [-0.958515, -0.584669, 1.583068, 0.866356, 0.941091, -0.950912, -0.079463, 0.24074, -0.12179];
/** Logits of ids 0 to 4 behind the text. */
const lastLogits = [2.11979, -0.317622, -1.415002, -2.964512, -0.525139];
/** By layer the memory position that the last token looks at most, and the mean weight of the heads there. */
const looked = [
  [1499, 0.0600889],
  [1499, 0.0892457],
  [1493, 0.0917751],
  [1493, 0.0794243],
] as const;

const real = join(process.env.SINKLAB_MODELS ?? '', 'whisper-tiny-en');
const found = process.env.SINKLAB_MODELS !== undefined && existsSync(join(real, 'model.safetensors'));

describe.skipIf(!found)(
  `Whisper tiny.en${found ? '' : ' (needs SINKLAB_MODELS, a folder with whisper-tiny-en)'}`,
  () => {
    it('leaves out the tokens that its own configuration lists', async () => {
      const tokenizer = await loadTokenizer(real);
      const { suppress_tokens: listed } = JSON.parse(await readFile(join(real, 'config.json'), 'utf8'));
      const ids = [...nonSpeechIds(tokenizer)].sort((a, b) => a - b);
      expect(ids).toEqual(listed.filter((id: number) => !tokenizer.specialIds.has(id)));
    });

    it('has the values of its reference for a spectrogram made of waves, and transcribes it and silence as the reference does', async () => {
      const tokenizer = await loadTokenizer(real);
      await using model = createModel({ checkpoint: await openLocal(real), runtime: nodeRuntime(), tokenizer });
      const waves = new Float32Array(80 * 3000);
      for (let c = 0; c < 80; c++)
        for (let n = 0; n < 3000; n++)
          waves[c * 3000 + n] =
            0.4 * Math.sin((0.013 * (c + 3) * n) / 10 + 0.7 * c) * Math.cos(n / 400) +
            0.3 * Math.cos(n / 37 + c / 5) -
            0.2;
      const shape = [1, 80, 3000] as const;
      const made = await transcribe(model, { features: waves, shape });
      expect([made.ids, made.prompt, made.text, made.ended]).toEqual([
        [50257, 50362, 314, 1101, 523, 7926, 13],
        2,
        "I'm so sorry.",
        true,
      ]);
      const silence = await transcribe(model, { features: waves.map(() => -0.5), shape });
      expect(silence.ids).toEqual([50257, 50362, 345]);
      const at = (position: number) => Array.from(made.memory.values.subarray(position * 384, position * 384 + 3));
      expect(furthest([0, 700, 1499].flatMap(at), streams)).toBeLessThan(2e-4);
      const ids = [[50257, 50362, 383, 2068, 7586, 21831, 18045, 625, 262, 16931, 3290, 13]];
      for (const capture of [[], ['blocks.*.cross_attn.hook_pattern']] as const) {
        const { logits, captured } = await run(model, { ids, memory: made.memory }, { capture });
        const last = (logits!.data as Float32Array).subarray(11 * 51864);
        expect(furthest(last.subarray(0, 5), lastLogits)).toBeLessThan(5e-4);
        if (captured.size === 0) continue;
        for (const [layer, [key, mean]] of looked.entries()) {
          const pattern = captured.get(`blocks.${layer}.cross_attn.hook_pattern`)!.data as Float32Array;
          let sum = 0;
          for (let h = 0; h < 6; h++) sum += pattern[(h * 12 + 11) * 1500 + key]! / 6;
          expect(Math.abs(sum - mean)).toBeLessThan(1e-5);
        }
      }
    });
  },
);
