import { InputError, LoadError } from '../../error.ts';
import { readWav } from './wav.ts';
import { checkLength, MAXIMUM_AUDIO_BYTES, toMono, type Waveform } from './waveform.ts';

/**
 * Decodes a WAV, FLAC or MP3 file to one channel at its own rate, in Node and in the page. Damaged frames of an MP3 are left out, as
 * players do.
 * @param name names the file in errors.
 * @throws LoadError for another format or a damaged file; InputError when it is over 500 MB or ten minutes.
 */
export async function decodeAudio(bytes: Uint8Array, name: string): Promise<Waveform> {
  if (bytes.length > MAXIMUM_AUDIO_BYTES)
    throw new InputError(
      `${name}: ${bytes.length} bytes, sound files of at most ${MAXIMUM_AUDIO_BYTES / 1e6} MB are read; cut it first`,
    );
  const waveform = await decode(bytes, name);
  if (waveform.samples.length === 0) throw new LoadError(`${name}: has no sound; use another copy of it`);
  return waveform;
}

async function decode(bytes: Uint8Array, name: string): Promise<Waveform> {
  const text = (at: number, length: number) => String.fromCharCode(...bytes.subarray(at, at + length));
  if (text(0, 4) === 'RIFF' && text(8, 4) === 'WAVE') return readWav(bytes, name);
  if (text(0, 4) === 'fLaC') {
    const { FLACDecoder } = await import('@wasm-audio-decoders/flac');
    // A frame of a few bytes can stand for 65,535 samples of silence.
    const waveform = await drain(bytes, 4096, new FLACDecoder(), name);
    const stated = flacSamples(bytes);
    if (stated !== 0 && stated !== waveform.samples.length)
      throw new LoadError(
        `${name}: damaged FLAC file, ${waveform.samples.length} of ${stated} samples can be decoded; use another copy of the sound`,
      );
    return waveform;
  }
  if (text(0, 3) === 'ID3' || (bytes[0] === 0xff && (bytes[1] ?? 0) >= 0xe0)) {
    const { MPEGDecoder } = await import('mpg123-decoder');
    return drain(bytes, 65_536, new MPEGDecoder(), name);
  }
  throw new LoadError(`${name}: expected a WAV, FLAC or MP3 file; convert it to WAV`);
}

/** The number of samples that a FLAC file states, 36 bits of its first block; 0 when it does not. The decoder leaves damaged frames out. */
function flacSamples(bytes: Uint8Array): number {
  if (bytes.length < 26) return 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return (view.getUint8(21) & 15) * 2 ** 32 + view.getUint32(22);
}

interface Part {
  readonly channelData: readonly Float32Array[];
  readonly sampleRate: number;
  /** Of FLAC. */
  readonly bitDepth?: number;
  readonly errors: readonly { readonly message: string }[];
}

interface Decoder {
  readonly ready: Promise<void>;
  decode(bytes: Uint8Array): Part | Promise<Part>;
  flush?(): Promise<Part>;
  free(): void;
}

/** After a crash inside WebAssembly there is nothing left to free. */
function release(decoder: Decoder): void {
  try {
    decoder.free();
  } catch {}
}

/** Feeds a decoder in pieces, so that no file grows past the limit before it is seen. */
async function drain(bytes: Uint8Array, piece: number, decoder: Decoder, name: string): Promise<Waveform> {
  const parts: Float32Array[] = [];
  let count = 0;
  let rate: number | undefined;
  const take = ({ channelData, sampleRate, bitDepth, errors }: Part): void => {
    const [error] = errors;
    if (error !== undefined)
      throw new LoadError(
        `${name}: the sound cannot be decoded (${error.message.slice(0, 200)}); use another copy of it`,
      );
    const mono = toMono(channelData);
    if (mono.length === 0) return;
    if (rate !== undefined && rate !== sampleRate)
      throw new LoadError(
        `${name}: the rate changes from ${rate} to ${sampleRate} samples a second; convert it to WAV`,
      );
    rate = sampleRate;
    // The FLAC decoder divides by 2^(bits - 1) - 1, which is one step from full scale.
    if (bitDepth !== undefined) for (let i = 0; i < mono.length; i++) mono[i] = mono[i]! * (1 - 2 ** (1 - bitDepth));
    count += mono.length;
    checkLength(count, rate, name);
    parts.push(mono);
  };
  await decoder.ready;
  try {
    for (let at = 0; at < bytes.length; at += piece) take(await decoder.decode(bytes.subarray(at, at + piece)));
    if (decoder.flush !== undefined) take(await decoder.flush());
  } catch (error) {
    if (error instanceof LoadError || error instanceof InputError) throw error;
    throw new LoadError(
      `${name}: the sound cannot be decoded (${String(error).slice(0, 200)}); use another copy of it`,
    );
  } finally {
    release(decoder);
  }
  const samples = new Float32Array(count);
  let at = 0;
  for (const part of parts) {
    samples.set(part, at);
    at += part.length;
  }
  return { samples, rate: rate ?? 0 };
}
