import type { Collector, Setting, TextLayer } from './measurement.ts';
import { checkSameSetting } from './same-setting.ts';

/** Means over the query rows of all texts, [L][H], kept as sums and counts; null for a layer without rows. Rows of NaN are left out. */
export class RowMeans implements Collector<(number[] | null)[]> {
  private readonly sums: Float64Array[]; // [L][H]
  private readonly counts: Float64Array[]; // [L][H]

  /** @param rows [H, T] values of one text in one layer; undefined where the layer has none. */
  constructor(
    private readonly setting: Setting,
    private readonly rows: (part: TextLayer) => ArrayLike<number> | undefined,
  ) {
    const { L, H } = setting.sizes;
    this.sums = Array.from({ length: L }, () => new Float64Array(H));
    this.counts = Array.from({ length: L }, () => new Float64Array(H));
  }

  add(part: TextLayer): void {
    const rows = this.rows(part);
    if (!rows) return;
    const { tokens, sizes } = this.setting;
    for (let h = 0; h < sizes.H; h++)
      for (let t = 0; t < tokens; t++) {
        const value = rows[h * tokens + t]!;
        if (Number.isNaN(value)) continue;
        this.sums[part.layer]![h]! += value;
        this.counts[part.layer]![h]!++;
      }
  }

  merge(other: this): void {
    checkSameSetting(this.setting, other.setting);
    this.sums.forEach((sums, layer) => {
      for (let h = 0; h < sums.length; h++) {
        sums[h]! += other.sums[layer]![h]!;
        this.counts[layer]![h]! += other.counts[layer]![h]!;
      }
    });
  }

  finish(): (number[] | null)[] {
    return this.sums.map((sums, layer) => {
      const counts = this.counts[layer]!;
      return counts.every((count) => count === 0)
        ? null
        : Array.from(sums, (sum, h) => (counts[h]! > 0 ? sum / counts[h]! : 0));
    });
  }
}
