import type { Collector, Measurement, Setting, TextLayer } from '../measurement.ts';
import { columnSums, sinkMass } from '../reductions.ts';
import { SinkRateSums } from '../sink-rate.ts';
import type { SinkRates } from '../sink-rate-protocol.ts';

/** Share of heads whose mean attention to key 0 is above epsilon, row 0 counted, mean over texts (2410.10781). */
export const measurement: Measurement<SinkRates> = {
  name: 'sink-rate',
  title: 'Sink rate',
  source: '2410.10781',
  over: 'texts',
  reductions: { columnSums, sinkMass },
  takes: [],
  collect: (setting) => new SinkRateCollector(setting),
  baseline: 'every rate holds its own: the share of heads above epsilon under uniform attention',
  view: 'sink rate',
};

class SinkRateCollector implements Collector<SinkRates> {
  private readonly sums: SinkRateSums;
  /** Attention to key 0 of the texts whose last layer has not come, [L, H]. */
  private readonly open = new Map<number, { columnSums: Float64Array; firstRow: Float64Array }>();

  constructor(private readonly setting: Setting) {
    const { tokens, sizes, windows, epsilons } = setting;
    this.sums = new SinkRateSums({ tokens, windows, heads: sizes.H, epsilons });
  }

  add({ text, layer, reduced: { columnSums, sinkMass } }: TextLayer): void {
    const { tokens: T, sizes } = this.setting;
    const { L, H } = sizes;
    const key0 = this.open.get(text) ?? { columnSums: new Float64Array(L * H), firstRow: new Float64Array(L * H) };
    this.open.set(text, key0);
    for (let h = 0; h < H; h++) {
      key0.columnSums[layer * H + h] = columnSums![h * T]!;
      key0.firstRow[layer * H + h] = 1 - (sinkMass?.[h * T] ?? 0);
    }
    if (layer < L - 1) return;
    this.open.delete(text);
    this.sums.add({ tokens: T, ...key0 });
  }

  merge(other: this): void {
    this.sums.merge(other.sums);
  }

  finish(): SinkRates {
    return this.sums.finish();
  }
}
