/** A small seeded generator: whole numbers below `bound` (mulberry32). */
export type Next = (bound: number) => number;

export function random(seed: number): Next {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * bound);
  };
}

const numbers = [
  '0',
  '-1',
  '1',
  '2',
  '1e400',
  '9007199254740993',
  '1.5',
  'null',
  '""',
  '[]',
  '{}',
  'true',
  '4294967296',
  '-0',
];
const interesting = [0, 1, 2, 7, 8, 9, 10, 31, 32, 39, 127, 128, 255];

/** Most edits go to the first part of a file, where the headers are; some beyond. */
function position(bytes: Uint8Array, next: Next): number {
  return next(4) === 0 ? next(bytes.length) : next(Math.min(bytes.length, 2300));
}

function splice(bytes: Uint8Array, at: number, remove: number, insert: Uint8Array): Uint8Array {
  const out = new Uint8Array(bytes.length - remove + insert.length);
  out.set(bytes.subarray(0, at));
  out.set(insert, at);
  out.set(bytes.subarray(at + remove), at + insert.length);
  return out;
}

/** Replaces one number, string or literal of the JSON text in the file and, for safetensors, corrects the header's length. */
function editJson(bytes: Uint8Array, next: Next): Uint8Array {
  if (bytes.length < 12) return bytes;
  const start = bytes[0] === 0x7b ? 0 : 8;
  const length = start === 0 ? bytes.length : Math.min(new DataView(bytes.buffer).getUint32(0, true), bytes.length - 8);
  const text = new TextDecoder().decode(bytes.subarray(start, start + length));
  const tokens = [...text.matchAll(/-?\d+(\.\d+)?|"[^"]*"|true|false|null/g)];
  if (tokens.length === 0) return bytes;
  const token = tokens[next(tokens.length)]!;
  const other = tokens[next(tokens.length)]![0];
  const nudged = String(Number(token[0]) + next(3) - 1);
  const replacement = [other, numbers[next(numbers.length)]!, nudged, `"../${next(9)}"`][next(4)]!;
  const edited = text.slice(0, token.index) + replacement + text.slice(token.index + token[0].length);
  const out = splice(bytes, start, length, new TextEncoder().encode(edited));
  if (start === 8) new DataView(out.buffer).setUint32(0, out.length - bytes.length + length, true);
  return out;
}

type Edit = (bytes: Uint8Array, seeds: readonly Uint8Array[], next: Next) => Uint8Array;

const edits: Edit[] = [
  // Flip a bit.
  (bytes, _, next) => {
    const out = bytes.slice();
    out[position(bytes, next)]! ^= 1 << next(8);
    return out;
  },
  // Set a byte.
  (bytes, _, next) => {
    const out = bytes.slice();
    out[position(bytes, next)] = next(2) === 0 ? next(256) : interesting[next(interesting.length)]!;
    return out;
  },
  // Overwrite four or eight bytes with a number.
  (bytes, _, next) => {
    const out = bytes.slice();
    const at = Math.min(position(bytes, next), Math.max(0, bytes.length - 8));
    const value = [0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n, BigInt(next(1000))][
      next(8)
    ]!;
    const view = new DataView(out.buffer);
    if (bytes.length < 8) return out;
    if (next(2) === 0) view.setUint32(at, Number(value & 0xffffffffn), true);
    else view.setBigUint64(at, value, true);
    return out;
  },
  // Cut the end.
  (bytes, _, next) => bytes.slice(0, next(bytes.length + 1)),
  // Remove a run.
  (bytes, _, next) => {
    const at = position(bytes, next);
    return splice(bytes, at, Math.min(bytes.length - at, 1 + next(32)), new Uint8Array());
  },
  // Copy a run from a seed to somewhere else.
  (bytes, seeds, next) => {
    const from = seeds[next(seeds.length)]!;
    const start = position(from, next);
    return splice(bytes, position(bytes, next), 0, from.subarray(start, start + 1 + next(64)));
  },
  // Append.
  (bytes, _, next) => splice(bytes, bytes.length, 0, new Uint8Array(1 + next(40)).fill(next(256))),
  // Edit the JSON, the likeliest way past the first stages; a GGUF file has none and gets one of the first three.
  ...Array<Edit>(6).fill((bytes, seeds, next) => {
    return bytes[0] === 0x47 ? edits[next(3)]!(bytes, seeds, next) : editJson(bytes, next);
  }),
];

/** One to three edits of a seed. */
export function mutate(seed: Uint8Array, seeds: readonly Uint8Array[], next: Next): Uint8Array {
  let bytes = seed;
  for (let i = next(4) === 0 ? 3 : 1; i > 0; i--) {
    if (bytes.length > 0) bytes = edits[next(edits.length)]!(bytes, seeds, next);
  }
  return bytes;
}

const ODD: readonly unknown[] = [
  null,
  0,
  -1,
  1e300,
  0.5,
  '',
  'ByteLevel',
  '(',
  '\ud800',
  '__proto__',
  [],
  {},
  [[]],
  { type: 'Sequence' },
  true,
  'a'.repeat(3000),
];

/** Replaces, drops or adds one value somewhere. */
export function mutateValue(value: unknown, random: () => number): void {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  let place = value as Record<string, unknown>;
  for (;;) {
    const keys = Object.keys(place);
    const key = keys.length === 0 || random() < 0.05 ? pick(['type', 'x', '0', 'length', 'pattern']) : pick(keys);
    if (Array.isArray(place) && !/^\d+$/.test(key)) return;
    const inner = place[key];
    if (typeof inner === 'object' && inner !== null && random() < 0.75) {
      place = inner as Record<string, unknown>;
      continue;
    }
    if (random() < 0.2) delete place[key];
    else place[key] = structuredClone(pick(ODD));
    return;
  }
}
