import { LoadError } from '../../error.ts';
import { checkLength, type Waveform } from './waveform.ts';

const PCM = 1;
const FLOAT = 3;
const EXTENSIBLE = 0xfffe;

/**
 * Reads a WAV file: PCM of 8, 16, 24 or 32 bits and floats of 32 or 64 bits, channels averaged. Whole numbers are divided by
 * 2^(bits - 1), as the usual readers of speech data do.
 * @throws LoadError when the file is damaged or of another encoding; InputError when it is over ten minutes.
 */
export function readWav(bytes: Uint8Array, name: string): Waveform {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const damaged = (what: string) => new LoadError(`${name}: damaged WAV file, ${what}; use another copy of the sound`);
  let format: { code: number; channels: number; rate: number; frame: number; bits: number } | undefined;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const chunk = String.fromCharCode(...bytes.subarray(at, at + 4));
    const stated = view.getUint32(at + 4, true);
    const start = at + 8;
    if (chunk === 'fmt ') {
      if (stated < 16 || start + stated > bytes.length) throw damaged('its format chunk is cut off');
      const code = view.getUint16(start, true);
      format = {
        code: code === EXTENSIBLE && stated >= 26 ? view.getUint16(start + 24, true) : code,
        channels: view.getUint16(start + 2, true),
        rate: view.getUint32(start + 4, true),
        frame: view.getUint16(start + 12, true),
        bits: view.getUint16(start + 14, true),
      };
    } else if (chunk === 'data') {
      if (format === undefined) throw damaged('the sound comes before its format');
      const { code, channels, rate, frame, bits } = format;
      const read = code === PCM ? integers[bits] : code === FLOAT ? floats[bits] : undefined;
      if (read === undefined)
        throw new LoadError(
          `${name}: WAV encoding ${code} with ${bits} bits, expected PCM of 8, 16, 24 or 32 bits or floats of 32 or 64; convert it`,
        );
      if (channels < 1 || channels > 64 || frame !== (channels * bits) / 8)
        throw damaged(`${channels} channels of ${bits} bits do not make frames of ${frame} bytes`);
      // Written to a pipe, the length stays 0 or at its maximum.
      const open = stated === 0 || stated === 0xffffffff;
      if (!open && start + stated > bytes.length)
        throw damaged(`the sound should have ${stated} bytes, ${bytes.length - start} are there`);
      const count = Math.floor((open ? bytes.length - start : stated) / frame);
      checkLength(count, rate, name);
      const samples = new Float32Array(count);
      for (let i = 0; i < count; i++) {
        let sum = 0;
        for (let c = 0; c < channels; c++) sum += read(view, start + i * frame + (c * bits) / 8);
        samples[i] = sum / channels;
      }
      if (!samples.every(Number.isFinite)) throw damaged('it has samples that are not finite');
      return { samples, rate };
    }
    // Chunks begin at even places.
    at = start + stated + (stated & 1);
  }
  throw damaged('it has no sound');
}

type Read = (view: DataView, at: number) => number;

const integers: Readonly<Record<number, Read>> = {
  8: (view, at) => (view.getUint8(at) - 128) / 128,
  16: (view, at) => view.getInt16(at, true) / 32768,
  24: (view, at) => ((view.getInt8(at + 2) << 16) | view.getUint16(at, true)) / 8388608,
  32: (view, at) => view.getInt32(at, true) / 2147483648,
};

const floats: Readonly<Record<number, Read>> = {
  32: (view, at) => view.getFloat32(at, true),
  64: (view, at) => view.getFloat64(at, true),
};
