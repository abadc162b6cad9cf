import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeAudio } from '../../src/load/audio/decode-audio.ts';
import { openAudio } from '../../src/load/audio/open-audio-node.ts';
import { resampleAudio } from '../../src/load/audio/resample-audio.ts';
import { expectedTensors, inputFile, largestDifference, sound } from './input-support.ts';

const bytesOf = (name: string) => new Uint8Array(readFileSync(inputFile(name)));
const expected = await expectedTensors('sounds.safetensors');
const text = (value: string) => new TextEncoder().encode(value);

describe('a decoded sound', () => {
  it.each([...expected])('%s has the samples of the reference, channels averaged', async (name, { values }) => {
    const { samples, rate } = await openAudio(inputFile(name));
    expect(rate).toBe(8000);
    expect(largestDifference(samples, values)).toBeLessThan(1e-7);
  });

  it('MP3 is the sound that was encoded, in place, up to its loss', async () => {
    const { samples, rate } = await openAudio(inputFile('tones.mp3'));
    expect([rate, samples.length]).toEqual([16000, 6400]);
    const original = sound(0.4, 16000);
    let [error, power] = [0, 0];
    for (let i = 0; i < 6400; i++) {
      error += (samples[i]! - original[i]!) ** 2;
      power += original[i]! ** 2;
    }
    expect(error / power).toBeLessThan(0.01);
  });
});

describe('a sound that cannot be decoded', () => {
  it.each([
    ['OggS', 'a: expected a WAV, FLAC or MP3 file; convert it to WAV'],
    ['', 'a: expected a WAV, FLAC or MP3 file; convert it to WAV'],
    ['RIFF____WAVE', 'a: damaged WAV file, it has no sound; use another copy of the sound'],
    ['fLaC and nothing that follows is sound', 'a: damaged FLAC file, 0 of '],
    ['ID3 but nothing that follows is sound', 'a: has no sound; use another copy of it'],
  ])('%j is refused by name', async (start, message) => {
    await expect(decodeAudio(text(start), 'a')).rejects.toThrow(message);
  });

  const wav = (change: (view: DataView) => void) => {
    const bytes = bytesOf('tones.wav');
    change(new DataView(bytes.buffer));
    return decodeAudio(bytes, 'a.wav');
  };

  it('WAV with an encoding, frame or length that cannot be is refused by name', async () => {
    await expect(wav((view) => view.setUint16(20, 6, true))).rejects.toThrow(
      'a.wav: WAV encoding 6 with 16 bits, expected',
    );
    await expect(wav((view) => view.setUint16(34, 12, true))).rejects.toThrow('a.wav: WAV encoding 1 with 12 bits');
    await expect(wav((view) => view.setUint16(22, 3, true))).rejects.toThrow(
      '3 channels of 16 bits do not make frames of 2',
    );
    await expect(wav((view) => view.setUint32(24, 0, true))).rejects.toThrow(
      'a.wav: 0 samples a second, expected 1000',
    );
    await expect(wav((view) => view.setUint32(40, 9999, true))).rejects.toThrow(
      'a.wav: damaged WAV file, the sound should have 9999 bytes, 1600 are there',
    );
  });

  it('WAV of an open length is read to its end', async () => {
    const open = await wav((view) => view.setUint32(40, 0xffffffff, true));
    expect(open.samples).toHaveLength(800);
  });

  it('over ten minutes is refused', async () => {
    const bytes = new Uint8Array(44 + 600_001 * 2);
    bytes.set(bytesOf('tones.wav').subarray(0, 44));
    new DataView(bytes.buffer).setUint32(24, 1000, true);
    new DataView(bytes.buffer).setUint32(40, 600_001 * 2, true);
    await expect(decodeAudio(bytes, 'long.wav')).rejects.toThrow('long.wav: over 600 seconds of sound; cut it first');
  });

  it.each(['tones.wav', 'tones.flac', 'tones.mp3'])(
    '%s cut off at any tenth is a LoadError with its name or a shorter sound',
    async (name) => {
      const bytes = bytesOf(name);
      const { length } = (await decodeAudio(bytes, 'whole')).samples;
      for (let tenth = 1; tenth < 10; tenth++) {
        const cut = bytes.slice(0, Math.floor((bytes.length * tenth) / 10));
        const result = await decodeAudio(cut, 'cut').catch((error: Error) => error);
        if (result instanceof Error) {
          expect(result.name).toBe('LoadError');
          expect(result.message).toMatch(/^cut: /);
        } else expect(result.samples.length).toBeLessThanOrEqual(length);
      }
    },
  );
});

describe('resampling', () => {
  const tone = (hertz: number, rate: number, seconds: number) =>
    Float32Array.from({ length: Math.round(seconds * rate) }, (_, i) => Math.sin((2 * Math.PI * hertz * i) / rate));
  /** Away from both ends, where the filter lacks its other half. */
  const middle = (samples: Float32Array) => samples.subarray(2000, samples.length - 2000);

  it.each([44_100, 48_000, 22_050, 8000])('from %i Hz keeps tones and their places', (from) => {
    for (const hertz of [60, 1000, 0.42 * Math.min(from, 16_000)]) {
      const { samples, rate } = resampleAudio({ samples: tone(hertz, from, 0.5), rate: from }, 16_000);
      expect([rate, samples.length]).toEqual([16_000, 8000]);
      expect(largestDifference(middle(samples), middle(tone(hertz, 16_000, 0.5)))).toBeLessThan(2e-5);
    }
  });

  it('removes what the new rate cannot hold by over 90 dB', () => {
    for (const hertz of [8050, 11_000, 20_000]) {
      const { samples } = resampleAudio({ samples: tone(hertz, 44_100, 0.5), rate: 44_100 }, 16_000);
      expect(Math.max(...middle(samples).map(Math.abs))).toBeLessThan(10 ** (-90 / 20));
    }
  });
});
