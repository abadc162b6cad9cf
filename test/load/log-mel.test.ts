import { describe, expect, it } from 'vitest';
import { openAudioProcessor, readAudioProcessor } from '../../src/load/audio/audio-processor.ts';
import { fourier } from '../../src/load/audio/fourier.ts';
import { logMel } from '../../src/load/audio/log-mel.ts';
import { melFilters } from '../../src/load/audio/mel.ts';
import { memoryFolder } from '../../src/load/bytes-memory.ts';
import { expectedTensors, largestDifference, sound } from './input-support.ts';

const expected = await expectedTensors('log-mel.safetensors');
const stored = [...Array.from({ length: 20 }, (_, i) => 7 * i), 150, 2000, 2999];
const waveform = { samples: sound(1.3, 16_000), rate: 16_000 };

describe('Whisper features', () => {
  it.each([80, 128])('with %i mel filters are those of the reference', (bins) => {
    const result = logMel(waveform, readAudioProcessor({ feature_size: bins }, 'x'));
    expect([result.bins, result.frames]).toEqual([bins, 3000]);
    const { shape, values } = expected.get(`${bins}`)!;
    expect(shape).toEqual([bins, stored.length]);
    const picked = Array.from(
      values,
      (_, i) => result.data[Math.floor(i / stored.length) * 3000 + stored[i % stored.length]!]!,
    );
    expect(largestDifference(picked, values)).toBeLessThan(2e-6);
  });

  it('cut off what does not fit, and say so', () => {
    const processor = readAudioProcessor({ chunk_length: 1 }, 'x');
    const long = logMel(waveform, processor);
    expect(long).toMatchObject({ frames: 100, seconds: 1, frameSeconds: 0.01 });
    expect(long.leftOut).toBeCloseTo(0.3, 10);
    const cut = logMel({ samples: waveform.samples.slice(0, 16_000), rate: 16_000 }, processor);
    expect(cut.leftOut).toBe(0);
    expect(largestDifference(long.data, cut.data)).toBe(0);
  });

  it('do not depend on whether silence is stored or filled in, up to the last frame', () => {
    const processor = readAudioProcessor({ chunk_length: 2 }, 'x');
    const padded = new Float32Array(32_000);
    padded.set(waveform.samples);
    expect(
      largestDifference(logMel(waveform, processor).data, logMel({ samples: padded, rate: 16_000 }, processor).data),
    ).toBe(0);
    for (const length of [31_700, 31_799, 31_800, 31_801, 31_999]) {
      const samples = sound(2, 16_000).subarray(0, length);
      padded.fill(0).set(samples);
      const [short, full] = [samples, padded].map((samples) => logMel({ samples, rate: 16_000 }, processor).data);
      expect(largestDifference(short!, full!)).toBe(0);
    }
  });

  it('of silence are the floor everywhere: (log10(1e-10) + 4) / 4 = -1.5', () => {
    const { data } = logMel({ samples: new Float32Array(100), rate: 16_000 }, readAudioProcessor({}, 'x'));
    expect(data.every((value) => value === -1.5)).toBe(true);
  });

  it('refuse samples that are not finite', () => {
    expect(() =>
      logMel({ samples: Float32Array.of(0, Number.NaN), rate: 16_000 }, readAudioProcessor({}, 'x')),
    ).toThrow('sound: expected at least one sample, all of them finite');
  });
});

describe('the Fourier transform', () => {
  it.each([1, 2, 7, 12, 30, 400])('of %i values is its definition', (n) => {
    const given = [sound(1, n), sound(1, n).reverse()].map((values) => Float64Array.from(values));
    const [real, imaginary] = given.map((values) => values.slice()) as [Float64Array, Float64Array];
    fourier(n)(real, imaginary);
    for (let k = 0; k < n; k++) {
      let [sumReal, sumImaginary] = [0, 0];
      for (let t = 0; t < n; t++) {
        const [a, b, angle] = [given[0]![t]!, given[1]![t]!, (-2 * Math.PI * k * t) / n];
        sumReal += a * Math.cos(angle) - b * Math.sin(angle);
        sumImaginary += a * Math.sin(angle) + b * Math.cos(angle);
      }
      expect(real[k]).toBeCloseTo(sumReal, 10);
      expect(imaginary[k]).toBeCloseTo(sumImaginary, 10);
    }
  });
});

describe('the settings of a feature extractor', () => {
  const table = melFilters(80, 201, 16_000, 8000).map(({ first, weights }) =>
    Array.from({ length: 201 }, (_, i) => weights[i - first] ?? 0),
  );

  it('may carry the filter table, which must be the computed one', () => {
    expect(readAudioProcessor({ mel_filters: table }, 'x').bins).toBe(80);
    const other = table.map((row) => row.map((value) => value * 1.01));
    expect(() => readAudioProcessor({ mel_filters: other }, 'p.json')).toThrow(
      'p.json: "mel_filters" expected the 80 × 201 Slaney',
    );
  });

  it.each([
    [
      { feature_extractor_type: 'Wav2Vec2FeatureExtractor' },
      '"feature_extractor_type" expected "WhisperFeatureExtractor"',
    ],
    [{ sampling_rate: 8000 }, '"sampling_rate" expected 16000, got 8000'],
    [{ n_samples: 1 }, '"n_samples" expected 480000, got 1'],
    [{ dither: 0.1 }, '"dither" expected 0, got 0.1'],
    [{ n_fft: 401 }, '"n_fft" expected an even number, got 401'],
    [{ window: 'hann' }, 'this key is not understood and may change results: "window"'],
  ])('%j is refused', (settings, message) => {
    expect(() => readAudioProcessor(settings, 'p.json')).toThrow(`p.json: ${message}`);
  });

  it('come from the folder, or are the usual ones with a note', async () => {
    const bytes = new TextEncoder().encode(JSON.stringify({ feature_size: 128, processor_class: 'WhisperProcessor' }));
    const own = await openAudioProcessor(memoryFolder('m', new Map([['preprocessor_config.json', bytes]])));
    expect(own).toMatchObject({ processor: { bins: 128, window: 400 }, place: 'm/preprocessor_config.json' });
    const none = await openAudioProcessor(memoryFolder('m', new Map()), 128);
    expect(none).toEqual({
      processor: { bins: 128, rate: 16_000, window: 400, hop: 160, seconds: 30 },
      note: 'm has no preprocessor_config.json: sound is prepared as by WhisperFeatureExtractor with 128 mel filters',
    });
  });
});
