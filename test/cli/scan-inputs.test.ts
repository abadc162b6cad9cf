import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ScanResult } from '../../src/measure/result.ts';
import { parseScanResult } from '../../src/report/parse.ts';
import { bundled } from '../fixtures.ts';
import { copied, familyFolder } from '../models/support.ts';
import { sinklab } from './terminal.ts';
import { bertTokens, toneWav, toyModel, toyTokenizerJson, whisperPreprocessor } from './toy-models.ts';

const needed = ['bert', 'vit', 'dinov2_with_registers', 'whisper', 't5', 'llava'];
const here = needed.every((name) => familyFolder(name) !== undefined);
const picture = bundled('inputs/rgb.png');

async function scanned(...args: string[]): Promise<ScanResult> {
  const { code, out, err } = await sinklab('scan', ...args, '--json');
  expect(code, err).toBe(0);
  return parseScanResult(out);
}

/** What a command that fails says last. */
async function refused(...args: string[]): Promise<string> {
  const { code, out, err } = await sinklab('scan', ...args);
  expect([code, out]).toEqual([1, '']);
  return err.trimEnd().split('\n').at(-1)!;
}

const words = (count: number, from = 10) => Array.from({ length: count }, (_, i) => `w${from + (i % 80)}`).join(' ');

describe.skipIf(!here)(`scans of other inputs than texts${here ? '' : ' (need the shared fixtures)'}`, () => {
  describe('an encoder of text', () => {
    const bert = () => toyModel('bert', { 'tokenizer.json': toyTokenizerJson(bertTokens) });

    it('reads a text between its special tokens', async () => {
      const { input, model, summary } = await scanned(await bert(), '--text', words(40));
      expect(model.causal).toBe(false);
      expect(input.page.map(({ role }) => role)).toEqual(['class', ...Array(40).fill('text'), 'separator']);
      expect(input.firstIds).toEqual([1, 10, 11, 12, 13, 14, 15, 16]);
      expect(summary[0]).toMatch(/^(Sink rate|No attention sink)/);
    });

    it('frames each text of the protocol alike, all of the length asked for, and moves no special token in controls', async () => {
      const folder = await bert();
      const size = ['--texts', '3', '--text-tokens', '20', '--tokens', '30', '--controls'];
      const { input, sinkRates, uniform, page, controls } = await scanned(folder, ...size);
      expect(input.protocol).toEqual({ texts: 3, tokens: 20 });
      expect(sinkRates[0]!.rate.n).toBe(3);
      // Over 20 keys that every query sees.
      expect(uniform[0]).toBeCloseTo(1 / 20, 6);
      expect([input.page.length, input.page.at(-1)!.role]).toEqual([30, 'separator']);
      expect(page.uniform[0]![7]).toBeCloseTo(1 / 30, 6);
      expect(controls.map(({ name }) => name)).toHaveLength(4);
    });

    it('reads a pair, each text with its type', async () => {
      const folder = await bert();
      const pair = await scanned(folder, '--text', words(20), '--pair', words(10, 50));
      const roles = pair.input.page.map(({ role }) => role);
      expect(roles.flatMap((role, i) => (role === 'separator' ? [i] : []))).toEqual([21, 32]);
      // The same ids with the types of one text attend otherwise.
      const ids = pair.input.page.map(({ id }) => id).join();
      const single = await scanned(folder, '--ids', ids);
      expect(single.input.page.map(({ id }) => id)).toEqual(pair.input.page.map(({ id }) => id));
      const furthest = Math.max(...single.page.received[0]!.map((v, i) => Math.abs(v - pair.page.received[0]![i]!)));
      expect(furthest).toBeGreaterThan(1e-4);
    });

    it('cuts what does not fit, and says so', async () => {
      const { input, notes } = await scanned(await bert(), '--text', words(60), '--tokens', '22');
      expect(input.page).toHaveLength(22);
      expect(notes[0]).toBe('The text is longer than there is room for; its first 20 tokens were scanned.');
    });
  });

  describe('an encoder of pictures', () => {
    it('reads one: class token, registers, patches and the picture itself', async () => {
      const { input, page, notes } = await scanned(familyFolder('dinov2_with_registers')!, '--image', picture);
      const roles = input.page.map(({ role }) => role);
      expect(roles.slice(0, 5)).toEqual(['class', 'register', 'register', 'register', 'patch']);
      expect(input.page.at(-1)!.patch).toEqual({ row: 3, column: 3 });
      expect(input.picture).toMatchObject({ width: 32, height: 32 });
      expect(page.highNorm).toBeDefined();
      expect(input.firstIds).toEqual([]);
      expect(notes[0]).toMatch(
        /has no preprocessor_config\.json: pictures are prepared as by BitImageProcessor at 32 × 32/,
      );
    });

    it('measures several and shows the first', async () => {
      const images = ['--image', picture, bundled('inputs/grey.png'), bundled('inputs/palette.png')];
      const { input, sinkRates } = await scanned(familyFolder('vit')!, ...images);
      expect(input.protocol).toEqual({ texts: 3, tokens: 17 });
      expect(sinkRates[0]!.rate.n).toBe(3);
      expect(input.source).toBe(picture);
    });

    it('reads other sizes where the model does', async () => {
      const processor = { image_processor_type: 'BitImageProcessor', size: { height: 48, width: 64 } };
      const usual = { do_resize: true, do_center_crop: false, do_rescale: true, do_normalize: true };
      const folder = await toyModel('dinov2_with_registers', {
        'preprocessor_config.json': JSON.stringify({
          ...processor,
          ...usual,
          ...{ rescale_factor: 1 / 255, image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5], resample: 3 },
        }),
      });
      const { input } = await scanned(folder, '--image', picture);
      expect(input.page).toHaveLength(1 + 3 + 6 * 8);
      expect(input.page.at(-1)!.patch).toEqual({ row: 5, column: 7 });
    });

    it('is a page with the picture in it', async () => {
      const file = join(await copied(bundled('tokenizers/folder')), 'x.html');
      const folder = familyFolder('dinov2_with_registers')!;
      expect((await sinklab('scan', folder, '--image', picture, '--html', file)).code).toBe(0);
      expect(existsSync(file)).toBe(true);
    });
  });

  describe('an encoder and a decoder of sound', () => {
    const special = { '<|endoftext|>': 91, '<|startoftranscript|>': 92, '<|notimestamps|>': 93 };
    const whisper = () =>
      toyModel('whisper', {
        'tokenizer.json': toyTokenizerJson({ special }),
        'preprocessor_config.json': whisperPreprocessor,
      });
    const sound = async (folder: string, seconds: number) => {
      const file = join(folder, 'tone.wav');
      await writeFile(file, toneWav(seconds));
      return file;
    };

    it('the encoder reads the sound: its frames by time, and the spectrogram', async () => {
      const folder = await whisper();
      const { input, model } = await scanned(folder, '--part', 'encoder', '--audio', await sound(folder, 0.5));
      expect(model.causal).toBe(false);
      expect(input.page).toHaveLength(20);
      expect(input.page[3]).toMatchObject({ role: 'frame', seconds: 0.15, text: '0.15s' });
      expect(input.spectrogram).toMatchObject({ bins: 8, columns: 40, columnSeconds: 0.025, soundSeconds: 0.5 });
    });

    it('the decoder reads what it hears, and looks at the frames', async () => {
      const folder = await whisper();
      const { input, page, notes } = await scanned(folder, '--audio', await sound(folder, 0.5));
      expect(input.firstIds.slice(0, 2)).toEqual([92, 93]);
      expect(input.page.slice(0, 3).map(({ role }) => role)).toEqual(['first', 'template', 'text']);
      expect(page.cross!.keys).toHaveLength(20);
      expect(page.cross!.received[0]).toHaveLength(20);
      expect(input.spectrogram!.soundSeconds).toBe(0.5);
      expect(notes.some((note) => note.startsWith('Heard: w'))).toBe(true);
    });

    it('leaves out what is longer than the model reads, and says how much', async () => {
      const folder = await whisper();
      const { notes } = await scanned(folder, '--part', 'encoder', '--audio', await sound(folder, 1.5));
      expect(notes[0]).toMatch(/: the first 1\.0 s are read, 0\.5 s are left out\.$/);
    });

    it('refuses features of another shape, with what came and what is read', async () => {
      const folder = await toyModel('whisper');
      const file = await sound(folder, 0.5);
      expect(await refused(folder, '--part', 'encoder', '--audio', file)).toBe(
        `sinklab: --audio ${file}: preprocessor_config.json makes 8 × 3000 features, the model reads 8 × 40`,
      );
    });
  });

  it('a decoder of text reads what it writes of a text, and looks at that', async () => {
    const t5: Parameters<typeof toyTokenizerJson>[0] = {
      ...{ special: { '<pad>': 0, '</s>': 2 }, single: ['A', '</s>'], pair: ['A', '</s>', 'B', '</s>'] },
    };
    const folder = await toyModel('t5', { 'tokenizer.json': toyTokenizerJson(t5) });
    const { input, page, notes } = await scanned(folder, '--text', words(30));
    expect(input.firstIds[0]).toBe(0);
    expect(input.page.length).toBeGreaterThan(1);
    expect(page.cross!.keys.map(({ id }) => id)).toEqual([...Array.from({ length: 30 }, (_, i) => 10 + i), 2]);
    expect(notes.some((note) => note.startsWith('Written: '))).toBe(true);
    const encoder = await scanned(folder, '--part', 'encoder', '--text', words(30));
    expect(encoder.input.page).toHaveLength(31);
    expect(encoder.page.cross).toBeUndefined();
    expect(await refused(folder, '--ids', '1,2,3')).toMatch(
      /^sinklab: --ids: t5 decoder reads what an encoder made of a text/,
    );
  });

  describe('text with a picture', () => {
    const llava = () =>
      toyModel('llava', {
        'tokenizer.json': toyTokenizerJson({
          ...{ special: { '<s>': 1, '</s>': 2, '<image>': 96 }, single: ['<s>', 'A'], pair: ['<s>', 'A', '<s>', 'B'] },
        }),
        'tokenizer_config.json': JSON.stringify({ bos_token: '<s>', eos_token: '</s>' }),
      });

    it('has the patches where the text says so', async () => {
      const { input } = await scanned(await llava(), '--image', picture, '--text', 'w10 w11 <image> w12 w13');
      const roles = input.page.map(({ role }) => role);
      expect(roles.slice(0, 4)).toEqual(['bos', 'text', 'text', 'patch']);
      expect(roles.slice(-3)).toEqual(['patch', 'text', 'text']);
      expect(input.page[3]).toMatchObject({ id: 96, patch: { row: 0, column: 0 } });
      expect(input.picture).toMatchObject({ width: 32, height: 32 });
    });

    it('has them before a text that does not say', async () => {
      const { input } = await scanned(await llava(), '--image', picture, '--text', words(5));
      expect(input.page.filter(({ role }) => role === 'patch')).toHaveLength(16);
      expect(input.page.at(-2)!.text).toBe('w14');
    });

    it('the picture tower is scanned alone', async () => {
      const { input, page } = await scanned(await llava(), '--part', 'vision', '--image', picture);
      expect(input.page).toHaveLength(17);
      expect(page.highNorm).toBeDefined();
    });

    it('adds no BOS where none is wanted, and reads no other kind of input', async () => {
      const folder = await llava();
      const { input } = await scanned(folder, '--image', picture, '--text', 'w10 <image>', '--bos', 'none');
      expect([input.bosAdded, input.firstIds.slice(0, 2)]).toEqual([false, [10, 96]]);
      expect(await refused(folder, '--image', picture, '--ids', '1,2')).toBe(
        'sinklab: --ids: llava language reads a text with its picture: give it with --text or --file',
      );
    });

    it('refuses two pictures, two places for one, and too little room', async () => {
      const folder = await llava();
      expect(await refused(folder, '--image', picture, picture)).toBe(
        `sinklab: --image ${picture}: one picture goes into a text`,
      );
      expect(await refused(folder, '--image', picture, '--text', '<image> <image>')).toBe(
        'sinklab: --text: expected <image> once, where the picture stands, got it 2 times',
      );
      expect(await refused(folder, '--image', picture, '--text', 'w10', '--tokens', '12')).toMatch(
        /^sinklab: --tokens 12: text and picture are \d+ positions; ask for at least as many$/,
      );
    });
  });

  describe('is refused by what the model reads', () => {
    const family = (name: string) => familyFolder(name)!;

    it.each([
      ['a text model', () => bundled('families/llama'), ['--image', picture], '--image: llama reads text alone'],
      ['a text model', () => bundled('families/llama'), ['--audio', 'x.wav'], '--audio: llama reads text alone'],
      [
        'a decoder',
        () => bundled('families/llama'),
        ['--text', 'a', '--pair', 'b'],
        '--pair: llama reads one text; pairs are for encoders',
      ],
      [
        'a text model',
        () => bundled('families/llama'),
        ['--ids', '1,2', '--text', 'a'],
        '--text and --ids: give one of them',
      ],
      ['an encoder of text', () => family('bert'), ['--image', picture], '--image: bert reads text alone'],
      [
        'an encoder of pictures',
        () => family('vit'),
        ['--audio', 'x.wav'],
        '--audio: vit reads pictures: give them with --image',
      ],
      [
        'an encoder of pictures',
        () => family('vit'),
        ['--text', 'a'],
        '--text: vit reads pictures: give them with --image',
      ],
      ['an encoder of pictures', () => family('vit'), [], 'vit reads pictures: give one or several with --image FILE'],
      [
        'an encoder of sound',
        () => family('whisper'),
        ['--part', 'encoder', '--image', picture],
        '--image: whisper encoder reads sound: give it with --audio',
      ],
      [
        'an encoder of sound',
        () => family('whisper'),
        ['--part', 'encoder'],
        'whisper encoder reads sound: give it with --audio FILE',
      ],
      ['a decoder of sound', () => family('whisper'), [], 'whisper reads sound: give it with --audio FILE'],
      [
        'a decoder of sound',
        () => family('whisper'),
        ['--audio', 'x.wav', '--text', 'a'],
        '--text: the text is what the model hears; leave it out with --audio',
      ],
    ] as const)('%s: %j', async (_, folder, args, message) => {
      expect(await refused(folder(), ...args)).toBe(`sinklab: ${message}`);
    });

    it('an encoder of text: two kinds of text, and messages', async () => {
      const folder = await toyModel('bert', { 'tokenizer.json': toyTokenizerJson(bertTokens) });
      expect(await refused(folder, '--text', 'a', '--file', 'b.txt')).toBe(
        'sinklab: --text and --file: give one of them',
      );
      expect(await refused(folder, '--ids', '1,2', '--pair', 'a')).toBe(
        'sinklab: --pair: bert reads pairs of texts: give the first with --text',
      );
      expect(await refused(folder, '--chat', 'x.json')).toBe('sinklab: --chat: bert reads texts; give one with --text');
    });
  });
});

const real = process.env.SINKLAB_MODELS;
const realModel = (name: string) => join(real ?? '', name);

describe('real models', () => {
  it.skipIf(!existsSync(join(realModel('all-minilm-l6-v2'), 'model.safetensors')))(
    'all-MiniLM reads pairs between [CLS] and [SEP] (needs SINKLAB_MODELS, a folder of models)',
    async () => {
      const folder = realModel('all-minilm-l6-v2');
      const { input } = await scanned(folder, '--text', 'A cat sits on the mat.', '--pair', 'The dog sleeps.');
      expect(input.page.filter(({ role }) => role === 'separator').map(({ position }) => position)).toEqual([8, 13]);
      expect(input.page[0]!.text).toBe('[CLS]');
    },
  );

  it.skipIf(!existsSync(join(realModel('whisper-tiny-en'), 'model.safetensors')))(
    'Whisper tiny.en rests on the end of the silence behind a tone (needs SINKLAB_MODELS, a folder of models)',
    async () => {
      const file = join(await copied(bundled('tokenizers/folder')), 'tone.wav');
      await writeFile(file, toneWav(2));
      const { input, page } = await scanned(realModel('whisper-tiny-en'), '--audio', file);
      expect(page.cross!.keys).toHaveLength(1500);
      const rows = page.cross!.received.filter((row) => row !== null);
      const last = rows.map((row) => row.slice(-25).reduce((a, b) => a + b, 0));
      // The last half second of 30: uniform attention would give it 1.7 %.
      expect(last.reduce((a, b) => a + b, 0) / rows.length).toBeGreaterThan(0.3);
      expect(input.spectrogram).toMatchObject({ bins: 80, columns: 750, columnSeconds: 0.04, soundSeconds: 2 });
    },
    60_000,
  );
});
