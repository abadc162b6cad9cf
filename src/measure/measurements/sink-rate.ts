import { patternLayers } from '../layer-visibility.ts';
import type { Collector, Measurement, Setting, TextLayer } from '../measurement.ts';
import { columnSums, sinkMass } from '../reductions.ts';
import type { HeadMap } from '../result.ts';
import { SinkRateSums } from '../sink-rate.ts';
import type { SinkRates } from '../sink-rate-protocol.ts';

/** Sink rates over the layers that have a pattern; maps with null for those that have none. */
export interface SinkRatesOfLayers extends Omit<SinkRates, 'alpha' | 'uniformAlpha' | 'received' | 'uniform'> {
  /** [L][H] and [L] as in `SinkRates`. */
  alpha: HeadMap;
  uniformAlpha: (number | null)[];
  received: HeadMap;
  uniform: (number | null)[];
}

/** Share of heads whose mean attention to key 0 is above epsilon, row 0 counted, mean over texts (2410.10781). */
export const measurement: Measurement<SinkRatesOfLayers> = {
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

class SinkRateCollector implements Collector<SinkRatesOfLayers> {
  private readonly sums: SinkRateSums;
  /** The layers that have a pattern. */
  private readonly layers: readonly number[];
  /** Attention to key 0 of the texts whose last layer has not come, [layers, H]. */
  private readonly open = new Map<number, { columnSums: Float64Array; firstRow: Float64Array }>();

  constructor(private readonly setting: Setting) {
    const { tokens, keys = tokens, sizes, windows, epsilons, causal = true } = setting;
    this.layers = patternLayers(setting);
    this.sums = new SinkRateSums({
      ...{ tokens, keys, causal, epsilons, heads: sizes.H, layers: this.layers },
      windows: this.layers.map((layer) => windows[layer]!),
    });
  }

  add({ text, layer, reduced: { columnSums, sinkMass } }: TextLayer): void {
    const { tokens: T, keys: S = T, sizes, causal = true } = this.setting;
    const row = this.layers.indexOf(layer);
    if (row < 0) return;
    const { H } = sizes;
    const size = this.layers.length * H;
    const key0 = this.open.get(text) ?? { columnSums: new Float64Array(size), firstRow: new Float64Array(size) };
    this.open.set(text, key0);
    for (let h = 0; h < H; h++) {
      key0.columnSums[row * H + h] = columnSums![h * S]!;
      // Only under a causal mask is what row 0 gives to key 0 known without its pattern.
      key0.firstRow[row * H + h] = causal ? 1 - (sinkMass?.[h * T] ?? 0) : 0;
    }
    if (row < this.layers.length - 1) return;
    this.open.delete(text);
    this.sums.add({ tokens: T, ...key0 });
  }

  merge(other: this): void {
    this.sums.merge(other.sums);
  }

  finish(): SinkRatesOfLayers {
    const { alpha, uniformAlpha, received, uniform, ...rates } = this.sums.finish();
    const spread = <Entry>(rows: readonly Entry[]): (Entry | null)[] =>
      this.setting.windows.map((_, layer) => rows[this.layers.indexOf(layer)] ?? null);
    return {
      ...rates,
      ...{ alpha: spread(alpha), uniformAlpha: spread(uniformAlpha) },
      ...{ received: spread(received), uniform: spread(uniform) },
    };
  }
}
