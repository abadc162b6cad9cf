import { RunError } from '../error.ts';
import type { HostTensor } from '../runtime/backend.ts';

/** A reduction over all chunks of a text: float64 sums, row-major. */
export interface Accumulated {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/**
 * Adds what one chunk of queries gave. Axes T and S are placed at their offsets in the whole text: results that keep T are thereby
 * joined, those that keep only S are summed key by key, all others are summed.
 */
export function accumulate(
  sums: Accumulated | undefined,
  value: HostTensor,
  order: readonly string[],
  whole: Readonly<Record<string, number>>,
  offset: Readonly<Record<string, number>>,
): Accumulated {
  if (value.shape.length !== order.length)
    throw new RunError(`reduction: expected axes [${order}], got shape [${value.shape}]`);
  const shape = order.map((axis, i) => (axis === 'T' || axis === 'S' ? whole[axis]! : value.shape[i]!));
  const target = sums ?? { shape, data: new Float64Array(shape.reduce((a, b) => a * b, 1)) };
  const data = value.data as Float32Array;
  const rank = order.length;
  const joined = order.indexOf('T');
  // Texts that go one by one join their chunks in one piece.
  if (joined >= 0 && !order.includes('S') && shape.slice(0, joined).every((size) => size === 1)) {
    target.data.set(data, offset.T! * shape.slice(joined + 1).reduce((a, b) => a * b, 1));
    return target;
  }
  const inner = value.shape[rank - 1] ?? 1;
  const innerOffset = offset[order[rank - 1] ?? ''] ?? 0;
  for (let row = 0, rows = data.length / Math.max(1, inner); row < rows; row++) {
    let rest = row;
    let place = innerOffset;
    let stride = shape[rank - 1] ?? 1;
    for (let axis = rank - 2; axis >= 0; axis--) {
      const size = value.shape[axis]!;
      place += ((rest % size) + (offset[order[axis]!] ?? 0)) * stride;
      rest = Math.floor(rest / size);
      stride *= shape[axis]!;
    }
    for (let i = 0; i < inner; i++) target.data[place + i]! += data[row * inner + i]!;
  }
  return target;
}
