import { fromGgufBlocks, toEightBits, toFourBits, type WeightBlocks } from '../load/weight-blocks.ts';
import type { StoredBytes, WeightStorage } from '../tensor/index.ts';
import type { Matrices } from './matrices.ts';
import type { Model } from './model.ts';

/**
 * How matrices are held while a model runs. `float32`: as they are. `int8` and `int4`: rounded in blocks of 32. `stored`: blocks of a GGUF
 * file as they are where the runtime can multiply them (Q4_0, Q4_1, Q8_0), other blocks at 8 bits, plain numbers in float32.
 */
export const weightPrecisions = ['stored', 'float32', 'int8', 'int4'] as const;
export type WeightPrecision = (typeof weightPrecisions)[number];

/** Weights in memory, ready for a program whose weights are initialisers. */
export interface WeightData {
  readonly data: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  readonly storage: (name: string) => WeightStorage;
}

/**
 * Reads weights and holds them at a precision; tensors that are no matrices (norms, biases) stay in float32. Weights of one of the groups
 * lie one behind the other, so that a program can multiply with all of them at once.
 */
export async function weightData(
  model: Pick<Model, 'checkpoint'>,
  names: Iterable<string>,
  { columns, groups }: Matrices,
  precision: WeightPrecision,
  activations: 'int8' | 'float32' = 'int8',
): Promise<WeightData> {
  const data = new Map<string, Uint8Array<ArrayBuffer>>();
  const storages = new Map<string, WeightStorage>();
  const inGroups = new Set(groups.flat());
  const lists = [...groups, ...[...names].filter((name) => !inGroups.has(name)).map((name) => [name])];
  for (const list of lists) {
    const held = await Promise.all(list.map((name) => blocksOf(model, name, columns.get(name), precision)));
    const place = (part: 'codes' | 'scales' | 'offsets' | undefined): (StoredBytes | undefined)[] => {
      const parts = held.map((one) => {
        const values = part ? ('bits' in one ? one[part] : undefined) : 'bits' in one ? undefined : one;
        return values && new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      });
      const location = `${list.join(' ')} ${part ?? 'numbers'}`;
      const bytes = new Uint8Array(parts.reduce((total, one) => total + (one?.length ?? 0), 0));
      if (bytes.length > 0) data.set(location, bytes);
      let end = 0;
      return parts.map((one) => {
        if (!one) return undefined;
        bytes.set(one, end);
        end += one.length;
        return { location, offset: end - one.length, length: one.length };
      });
    };
    const [numbers, codes, scales, offsets] = [place(undefined), place('codes'), place('scales'), place('offsets')];
    held.forEach((one, i) => {
      storages.set(
        list[i]!,
        'bits' in one
          ? {
              ...{ bits: one.bits, block: one.block, activations, codes: codes[i]!, scales: scales[i]! },
              ...(offsets[i] ? { offsets: offsets[i] } : {}),
            }
          : { type: 'float32', ...numbers[i]! },
      );
    });
  }
  return { data, storage: (name) => storages.get(name)! };
}

async function blocksOf(
  { checkpoint }: Pick<Model, 'checkpoint'>,
  name: string,
  columns: number | undefined,
  precision: WeightPrecision,
): Promise<WeightBlocks | Float32Array<ArrayBuffer>> {
  if (columns === undefined || columns % 32 !== 0 || precision === 'float32') return checkpoint.read(name);
  if (precision !== 'stored') return (precision === 'int8' ? toEightBits : toFourBits)(await checkpoint.read(name));
  const stored = await checkpoint.readBlocks?.(name);
  if (!stored) return checkpoint.read(name);
  return fromGgufBlocks(stored.type, stored.bytes) ?? toEightBits(await checkpoint.read(name));
}
