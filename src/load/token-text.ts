import { hasStage, type TokenizerJson } from './tokenizer-check.ts';

export interface TokenReader {
  text(stored: string, special: boolean): string;
  bytes(stored: string, special: boolean): Uint8Array;
  /** SentencePiece only, where the library's decoder loses U+FEFF: text of tokens that were read with `bytes`. */
  join?(pieces: readonly Uint8Array[]): string;
}

/** Reads single vocabulary entries: byte-level alphabets, SentencePiece spelling (U+2581 for space, `<0xAB>` for a byte), else the entry itself. */
export function tokenReader(json: TokenizerJson): TokenReader {
  const byteLevel = hasStage(json.decoder, 'ByteLevel') || hasStage(json.pre_tokenizer, 'ByteLevel');
  const sentencePiece =
    !byteLevel &&
    (hasStage(json.decoder, 'ByteFallback') ||
      hasStage(json.decoder, 'Metaspace') ||
      json.model.byte_fallback === true);
  const encoder = new TextEncoder();
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const bytes = (stored: string, special: boolean): Uint8Array => {
    if (special) return encoder.encode(stored);
    if (byteLevel) {
      const found = Array.from(stored, (character) => BYTE_OF.get(character));
      // Added tokens are stored as plain text: anything outside the alphabet is one.
      return found.includes(undefined) ? encoder.encode(stored) : Uint8Array.from(found as number[]);
    }
    if (!sentencePiece) return encoder.encode(stored);
    const byte = /^<0x([0-9A-F]{2})>$/.exec(stored)?.[1];
    return byte === undefined
      ? encoder.encode(stored.replaceAll('\u2581', ' '))
      : Uint8Array.of(Number.parseInt(byte, 16));
  };
  const text = (stored: string, special: boolean) => decoder.decode(bytes(stored, special));
  if (!sentencePiece) return { bytes, text };
  const stripsSpace = hasStage(json.decoder, 'Strip') || hasStage(json.decoder, 'Metaspace');
  const join = (pieces: readonly Uint8Array[]) => {
    const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
    let offset = 0;
    for (const piece of pieces) {
      all.set(piece, offset);
      offset += piece.length;
    }
    return decoder.decode(stripsSpace && all[0] === 0x20 ? all.subarray(1) : all);
  };
  return { bytes, text, join };
}

/** GPT-2's printable alphabet for bytes: printable Latin-1 stands for itself, the other 68 bytes follow from U+0100. */
export const BYTE_OF: ReadonlyMap<string, number> = (() => {
  const printable = (byte: number) => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  let next = 0x100;
  return new Map(
    Array.from({ length: 256 }, (_, byte) => [String.fromCodePoint(printable(byte) ? byte : next++), byte]),
  );
})();
