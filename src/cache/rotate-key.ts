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
 * Turns a key that stands at one position to another: pair i by (to − from) · frequency[i] (2104.09864; rotations compose). Half-split
 * pairs, as everywhere in the models.
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
  for (let i = 0; i < pairs; i++) {
    const [c, s] = [turn[i]!, turn[pairs + i]!];
    const [a, b] = [from[fromOffset + i]!, from[fromOffset + pairs + i]!];
    into[intoOffset + i] = a * c - b * s;
    into[intoOffset + pairs + i] = b * c + a * s;
  }
  for (let i = 2 * pairs; i < width; i++) into[intoOffset + i] = from[fromOffset + i]!;
}
