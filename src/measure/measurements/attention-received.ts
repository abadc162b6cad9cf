import type { Collector, Measurement, Setting, TextLayer } from '../measurement.ts';
import { receivedByKey } from '../received.ts';
import { columnSums, sinkMass } from '../reductions.ts';

/** Attention received by each key without row 0, one entry a layer; NaN for keys that no later query sees. */
export interface AttentionReceived {
  /** [L][S] mean over heads, and the largest. */
  readonly mean: readonly Float64Array[];
  readonly max: readonly Float64Array[];
  /** [L][H, S] */
  readonly perHead: readonly Float32Array[];
}

/**
 * Mean attention that each key of the page receives from the queries that see it, without row 0, whose attention to itself is given
 * (2410.10781 counts it: that is the sink rate). Single keys of different texts do not belong together, so texts are not merged.
 */
export const measurement: Measurement<AttentionReceived> = {
  name: 'attention-received',
  title: 'Attention received by each token',
  source: '2410.10781',
  over: 'page',
  reductions: { columnSums, sinkMass },
  takes: [],
  collect: (setting) => new ReceivedCollector(setting),
  baseline: 'page.uniform holds it for every key',
  view: 'sink tokens',
};

class ReceivedCollector implements Collector<AttentionReceived> {
  private readonly found = {
    mean: [] as Float64Array[],
    max: [] as Float64Array[],
    perHead: [] as Float32Array[],
  };

  constructor(private readonly setting: Setting) {}

  add({ layer, reduced: { columnSums, sinkMass } }: TextLayer): void {
    const { tokens: T, sizes, windows } = this.setting;
    const firstRow = Array.from({ length: sizes.H }, (_, h) => 1 - (sinkMass?.[h * T] ?? 0));
    const { mean, max, perHead } = receivedByKey(columnSums!, firstRow, { T, window: windows[layer]! });
    this.found.mean.push(mean);
    this.found.max.push(max);
    this.found.perHead.push(Float32Array.from(perHead));
  }

  finish(): AttentionReceived {
    return this.found;
  }
}
