import { LoadError } from '../../error.ts';
import { checkPixels } from './rgb-image.ts';

/** What the first bytes of an image file say. */
export interface ImageHeader {
  readonly format: 'JPEG' | 'PNG' | 'WebP' | 'GIF';
  /** As stored, before an EXIF orientation turns the picture. */
  readonly width: number;
  readonly height: number;
}

/**
 * Format and size of an image file from its own header, before any decoder sees it.
 * @throws LoadError for another format, a damaged header or a CMYK JPEG; InputError for over 100 million pixels.
 */
export function readImageHeader(bytes: Uint8Array, name: string): ImageHeader {
  const header = read(bytes, name);
  checkPixels(header.width, header.height, name);
  return header;
}

function read(bytes: Uint8Array, name: string): ImageHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = (at: number, length: number) => String.fromCharCode(...bytes.subarray(at, at + length));
  const need = (length: number) => {
    if (bytes.length < length) throw damaged(name, `it ends after ${bytes.length} bytes`);
  };
  if (text(1, 3) === 'PNG' && bytes[0] === 0x89) {
    need(24);
    return { format: 'PNG', width: view.getUint32(16), height: view.getUint32(20) };
  }
  if (text(0, 4) === 'GIF8') {
    need(10);
    return { format: 'GIF', width: view.getUint16(6, true), height: view.getUint16(8, true) };
  }
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return jpeg(view, name);
  if (text(0, 4) === 'RIFF' && text(8, 4) === 'WEBP') {
    need(30);
    return { format: 'WebP', ...webp(view, text(12, 4), name) };
  }
  throw new LoadError(`${name}: expected a JPEG, PNG, WebP or GIF picture; save it as one of these`);
}

/** Walks the segments to the frame header. */
function jpeg(view: DataView, name: string): ImageHeader {
  for (let at = 2; at + 9 < view.byteLength; ) {
    if (view.getUint8(at) !== 0xff) throw damaged(name, `byte ${at} should begin a segment`);
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    const frame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (frame) {
      const components = view.getUint8(at + 9);
      if (components !== 1 && components !== 3)
        throw new LoadError(`${name}: a JPEG of ${components} colour components (CMYK); convert it to RGB`);
      return { format: 'JPEG', width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    }
    at += 2 + view.getUint16(at + 2);
  }
  throw damaged(name, 'it has no frame header');
}

function webp(view: DataView, chunk: string, name: string): { width: number; height: number } {
  if (chunk === 'VP8X') {
    const size = (at: number) => (view.getUint32(at, true) & 0xffffff) + 1;
    return { width: size(24), height: (view.getUint32(26, true) >>> 8) + 1 };
  }
  if (chunk === 'VP8L') {
    const bits = view.getUint32(21, true);
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
  }
  if (chunk === 'VP8 ') return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
  throw damaged(name, 'its first chunk is not a picture');
}

const damaged = (name: string, what: string) =>
  new LoadError(`${name}: damaged image file, ${what}; use another copy of the picture`);
