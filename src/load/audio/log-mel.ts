import { InputError } from '../../error.ts';
import { type AudioProcessor, HIGHEST_FREQUENCY } from './audio-processor.ts';
import { fourier } from './fourier.ts';
import { melFilters } from './mel.ts';
import { resampleAudio } from './resample-audio.ts';
import type { Waveform } from './waveform.ts';

/** What Whisper's encoder reads. */
export interface LogMel {
  /** [C, T]: mel filters from low to high, frames in time. */
  readonly data: Float32Array;
  readonly bins: number;
  readonly frames: number;
  /** Seconds from one frame to the next. */
  readonly frameSeconds: number;
  /** Seconds of sound in the features; after them silence was filled in. */
  readonly seconds: number;
  /** Seconds at the end of the sound that did not fit; 0 when all is there. */
  readonly leftOut: number;
}

/**
 * Whisper's features (arXiv 2212.04356): (x + 4) / 4 of x = max(log10(max(mel power, 1e-10)), largest - 8), the mel power of frames
 * under a periodic Hann window, centred, the sound mirrored at both ends. The sound is resampled, then cut or filled up with
 * silence to `processor.seconds`. Computed in double precision, returned as float32.
 * @throws InputError when a sample is not finite or there are none.
 */
export function logMel(waveform: Waveform, processor: AudioProcessor): LogMel {
  const { bins, rate, window, hop } = processor;
  const { samples } = resampleAudio(waveform, rate);
  if (samples.length === 0 || !samples.every(Number.isFinite))
    throw new InputError('sound: expected at least one sample, all of them finite');
  const length = processor.seconds * rate;
  const used = Math.min(samples.length, length);
  const frames = Math.floor(length / hop);
  const filters = melFilters(bins, window / 2 + 1, rate, HIGHEST_FREQUENCY);
  const power = framePower(samples.subarray(0, used), length, processor);
  const data = new Float32Array(bins * frames);
  let largest = Number.NEGATIVE_INFINITY;
  for (let frame = 0; frame < frames; frame++) {
    const spectrum = power(frame);
    for (const [bin, { first, weights }] of filters.entries()) {
      let sum = 0;
      for (let i = 0; i < weights.length; i++) sum += weights[i]! * spectrum[first + i]!;
      const value = Math.log10(Math.max(sum, 1e-10));
      if (value > largest) largest = value;
      data[bin * frames + frame] = value;
    }
  }
  for (let i = 0; i < data.length; i++) data[i] = (Math.max(data[i]!, largest - 8) + 4) / 4;
  return {
    ...{ data, bins, frames, frameSeconds: hop / rate, seconds: used / rate },
    leftOut: (samples.length - used) / rate,
  };
}

/** The power spectrum of each frame, asked for in order. Two real frames share one transform. */
function framePower(samples: Float32Array, length: number, { window, hop }: AudioProcessor) {
  const transform = fourier(window);
  const hann = Float64Array.from({ length: window }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / window));
  const half = window / 2;
  const [real, imaginary] = [new Float64Array(window), new Float64Array(window)];
  const [even, odd] = [new Float64Array(half + 1), new Float64Array(half + 1)];
  /** Mirrored without repeating the first and last sample. */
  const at = (place: number) => {
    const mirrored = place < 0 ? -place : place >= length ? 2 * (length - 1) - place : place;
    return samples[mirrored] ?? 0;
  };
  return (frame: number): Float64Array => {
    if (frame % 2 === 1) return odd;
    const start = frame * hop - half;
    // Both frames, mirrored end included, lie behind the sound.
    if (start >= samples.length && 2 * length - (start + hop + window) > samples.length) {
      even.fill(0);
      odd.fill(0);
      return even;
    }
    for (let i = 0; i < window; i++) {
      real[i] = at(start + i) * hann[i]!;
      imaginary[i] = at(start + hop + i) * hann[i]!;
    }
    transform(real, imaginary);
    for (let k = 0; k <= half; k++) {
      const other = (window - k) % window;
      const [sumReal, sumImaginary] = [real[k]! + real[other]!, imaginary[k]! - imaginary[other]!];
      const [restReal, restImaginary] = [real[k]! - real[other]!, imaginary[k]! + imaginary[other]!];
      even[k] = (sumReal ** 2 + sumImaginary ** 2) / 4;
      odd[k] = (restReal ** 2 + restImaginary ** 2) / 4;
    }
    return even;
  };
}
