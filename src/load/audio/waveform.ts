import { InputError } from '../../error.ts';

/** Decoded sound with one channel. */
export interface Waveform {
  /** Amplitudes; full scale is -1 to 1. */
  readonly samples: Float32Array;
  /** Samples a second. */
  readonly rate: number;
}

/** Longest recording that is decoded, in seconds. */
export const MAXIMUM_SECONDS = 600;

/** Largest sound file that is read, in bytes: ten minutes of stereo in 32 bits at 96 kHz are 460 MB. */
export const MAXIMUM_AUDIO_BYTES = 500_000_000;

/** @throws InputError when the recording is over ten minutes, or its rate is not one of sound. */
export function checkLength(samples: number, rate: number, name: string): void {
  if (!(rate >= 1000 && rate <= 384_000))
    throw new InputError(`${name}: ${rate} samples a second, expected 1000 to 384000; convert it to 16000`);
  if (samples > MAXIMUM_SECONDS * rate)
    throw new InputError(`${name}: over ${MAXIMUM_SECONDS} seconds of sound; cut it first`);
}

/** The mean of the channels. */
export function toMono(channels: readonly Float32Array[]): Float32Array {
  const [first] = channels;
  if (first === undefined || channels.length === 1) return first ?? new Float32Array(0);
  return Float32Array.from(first, (_, i) => {
    let sum = 0;
    for (const channel of channels) sum += channel[i] ?? 0;
    return sum / channels.length;
  });
}
