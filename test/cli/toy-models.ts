import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { copied, familyFolder } from '../models/support.ts';

/** Special tokens of a toy tokenizer by id, and what stands around texts. */
export interface ToyTokenizer {
  readonly special: Readonly<Record<string, number>>;
  readonly single?: readonly string[];
  readonly pair?: readonly string[];
}

/** BERT's: [CLS] a [SEP], [CLS] a [SEP] b [SEP]. */
export const bertTokens: ToyTokenizer = {
  special: { '[PAD]': 0, '[CLS]': 1, '[SEP]': 2 },
  single: ['[CLS]', 'A', '[SEP]'],
  pair: ['[CLS]', 'A', '[SEP]', 'B', '[SEP]'],
};

/** A tokenizer of 97 words `w0` to `w96`, some of which are special tokens; every other word is `w9`. */
export function toyTokenizerJson({ special, single = ['A'], pair = ['A', 'B'] }: ToyTokenizer): string {
  const names = new Map(Object.entries(special).map(([name, id]) => [id, name]));
  const vocab = Object.fromEntries(Array.from({ length: 97 }, (_, id) => [names.get(id) ?? `w${id}`, id]));
  const parts = (list: readonly string[]) => {
    let type = 0;
    return list.map((name) => {
      if (name === 'B') type = 1;
      return name === 'A' || name === 'B'
        ? { Sequence: { id: name, type_id: type } }
        : { SpecialToken: { id: name, type_id: type } };
    });
  };
  const used = [...single, ...pair].filter((name) => name !== 'A' && name !== 'B');
  return JSON.stringify({
    ...{ version: '1.0', truncation: null, padding: null, normalizer: null },
    added_tokens: Object.entries(special).map(([content, id]) => ({
      ...{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
    })),
    pre_tokenizer: { type: 'WhitespaceSplit' },
    post_processor: {
      ...{ type: 'TemplateProcessing', single: parts(single), pair: parts(pair) },
      special_tokens: Object.fromEntries(
        [...new Set(used)].map((id) => [id, { id, ids: [special[id]], tokens: [id] }]),
      ),
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: false },
    model: {
      ...{ type: 'WordPiece', unk_token: 'w9', continuing_subword_prefix: '##', max_input_chars_per_word: 100 },
      vocab,
    },
  });
}

/** A copy of a fixture with more files in it. Throws where the fixture is absent. */
export async function toyModel(name: string, files: Readonly<Record<string, string>> = {}): Promise<string> {
  const folder = familyFolder(name);
  if (folder === undefined) throw new Error(`no fixture ${name}`);
  const copy = await copied(folder);
  for (const [file, text] of Object.entries(files)) await writeFile(join(copy, file), text);
  return copy;
}

/** A tone of 440 Hz as a WAV file of one channel, 16 bits and 16,000 samples a second. */
export function toneWav(seconds: number): Buffer {
  const samples = Math.round(seconds * 16_000);
  const wav = Buffer.alloc(44 + 2 * samples);
  wav.write('RIFF', 0);
  wav.writeUInt32LE(36 + 2 * samples, 4);
  wav.write('WAVEfmt ', 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(16_000, 24);
  wav.writeUInt32LE(32_000, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write('data', 36);
  wav.writeUInt32LE(2 * samples, 40);
  for (let i = 0; i < samples; i++)
    wav.writeInt16LE(Math.round(12_000 * Math.sin((2 * Math.PI * 440 * i) / 16_000)), 44 + 2 * i);
  return wav;
}

/** What turns a second of sound into the 8 × 40 features of the Whisper fixture. */
export const whisperPreprocessor = JSON.stringify({
  ...{ feature_extractor_type: 'WhisperFeatureExtractor', feature_size: 8, sampling_rate: 16_000 },
  ...{ hop_length: 400, n_fft: 400, chunk_length: 1 },
});
