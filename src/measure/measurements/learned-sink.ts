import type { Measurement } from '../measurement.ts';
import { sinkMass } from '../reductions.ts';
import { RowMeans } from '../row-means.ts';

/** Mass of attention rows on a learned sink, a column beside the keys (gpt-oss, 2508.10925), mean over queries: rows + sink = 1. */
export const measurement: Measurement<(number[] | null)[]> = {
  name: 'learned-sink',
  title: 'Learned sink',
  source: '2508.10925',
  over: 'page',
  reductions: { sinkMass },
  takes: [],
  collect: (setting) => new RowMeans(setting, ({ reduced }) => reduced.sinkMass),
  baseline: 'none: uniform attention is over keys, and a learned sink is not one',
  view: 'learned sink',
};
