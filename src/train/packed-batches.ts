import { checkWhole } from './check.ts';
import type { PackedDataset } from './data-packed.ts';
import type { Feeds } from './feeds.ts';

/** What `train` needs to know of packed data: spread it into its options. */
export interface PackedBatches {
  readonly batches: (index: number) => Promise<Feeds>;
  /** Names corpus, length, first token, order and seed. */
  readonly data: string;
  /** Predicted tokens of a batch. */
  readonly tokens: number;
}

/** Batches of B packed sequences by their number, `ids` [B, T + 1]; the next epoch begins where one ends, within a batch too. */
export function packedBatches(dataset: PackedDataset, B: number): PackedBatches {
  checkWhole('packedBatches', 'B', B, 1);
  const { sequences, sequenceLength: T, position } = dataset;
  return {
    data: `${position.data}, ${B} a batch`,
    tokens: B * T,
    async batches(index) {
      const data = new BigInt64Array(B * (T + 1));
      for (let b = 0; b < B; b++) {
        const place = index * B + b;
        const row = await dataset.sequence(Math.floor(place / sequences), place % sequences);
        data.set(BigInt64Array.from(row, BigInt), b * (T + 1));
      }
      return { ids: { type: 'int64', shape: [B, T + 1], data } };
    },
  };
}
