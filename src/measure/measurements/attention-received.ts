import { visibilityOf } from '../layer-visibility.ts';
import type { Collector, Measurement, Setting, TextLayer } from '../measurement.ts';
import { receivedByKey } from '../received.ts';
import { columnSums, sinkMass } from '../reductions.ts';

/** Attention received by each key, one entry a layer, null for layers without a pattern; NaN for keys that no other query sees. */
export interface AttentionReceived {
  /** [L][S] mean over heads, and the largest. */
  readonly mean: readonly (Float64Array | null)[];
  readonly max: readonly (Float64Array | null)[];
  /** [L][H, S] */
  readonly perHead: readonly (Float32Array | null)[];
}

/**
 * Mean attention that each key of the page receives from the queries that see it, in causal attention without row 0, whose attention to
 * itself is given (2410.10781 counts it: that is the sink rate). Single keys of different texts do not belong together, so texts are not merged.
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
    mean: [] as (Float64Array | null)[],
    max: [] as (Float64Array | null)[],
    perHead: [] as (Float32Array | null)[],
  };

  constructor(private readonly setting: Setting) {}

  add({ layer, reduced: { columnSums, sinkMass } }: TextLayer): void {
    const { tokens: T, sizes } = this.setting;
    const firstRow = Array.from({ length: sizes.H }, (_, h) => 1 - (sinkMass?.[h * T] ?? 0));
    const found = columnSums ? receivedByKey(columnSums, firstRow, visibilityOf(this.setting, layer)) : null;
    this.found.mean.push(found?.mean ?? null);
    this.found.max.push(found?.max ?? null);
    this.found.perHead.push(found ? Float32Array.from(found.perHead) : null);
  }

  finish(): AttentionReceived {
    return this.found;
  }
}
