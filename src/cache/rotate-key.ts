import type { Rotary } from '../attention/positions/rope.ts';

/** Turns that are remembered for each RoPE: keys that move do so by the same few distances, in every head and step after step. */
const remembered = 4096;
const turns = new WeakMap<Rotary, Map<number, Float64Array>>();

/** Cosines, then sines, of distance · frequency[i], angles in double precision. */
function turnBy(distance: number, rotary: Rotary): Float64Array {
  let known = turns.get(rotary);
  if (!known) {
    known = new Map();
    turns.set(rotary, known);
  }
  let turn = known.get(distance);
  if (turn) return turn;
  const pairs = rotary.frequencies.length;
  turn = new Float64Array(2 * pairs);
  for (let i = 0; i < pairs; i++) {
    const angle = distance * rotary.frequencies[i]!;
    [turn[i], turn[pairs + i]] = [Math.cos(angle), Math.sin(angle)];
  }
  if (known.size >= remembered) known.clear();
  known.set(distance, turn);
  return turn;
}

/**
 * Turns a key that stands at one position to another: pair i by (to − from) · frequency[i] (2104.09864; rotations compose).
 */
export function rotateKey(
  from: Float32Array,
  fromOffset: number,
  into: Float32Array,
  intoOffset: number,
  width: number,
  distance: number,
  rotary: Rotary,
): void {
  const pairs = rotary.frequencies.length;
  const turn = turnBy(distance, rotary);
  // Components of pair i: i and i + pairs, or neighbours.
  const [stride, other] = rotary.interleaved ? [2, 1] : [1, pairs];
  for (let i = 0; i < pairs; i++) {
    const [c, s] = [turn[i]!, turn[pairs + i]!];
    const first = stride * i;
    const [a, b] = [from[fromOffset + first]!, from[fromOffset + first + other]!];
    into[intoOffset + first] = a * c - b * s;
    into[intoOffset + first + other] = b * c + a * s;
  }
  for (let i = 2 * pairs; i < width; i++) into[intoOffset + i] = from[fromOffset + i]!;
}
