import type { Collector, CurvesPicture, Measurement, Setting, TextLayer } from '../measurement.ts';
import { turnedQueries } from '../reductions.ts';
import { type ScoreSplit, scoreSplit } from '../score-split.ts';
import { besideOthers } from '../sink-and-others.ts';
import { uniformAttention } from '../uniform.ts';

/**
 * The scores split into norms and cosine, q · k = ‖q‖ ‖k‖ cos(q, k) after RoPE, and the norms of values (2410.10781): at a sink the cosine
 * is large, while key and value are short.
 */
export const measurement: Measurement<readonly ScoreSplit[]> = {
  name: 'score-split',
  title: 'Norms and cosine of the scores',
  source: '2410.10781',
  over: 'page',
  reductions: { turnedQueries },
  takes: ['k', 'v'],
  collect: (setting) => new SplitCollector(setting),
  baseline: 'none: it is what attention is made from; the other tokens stand beside it',
  pictures: (layers, { top, setting }) => {
    const curves = (title: string, quantity: string, series: CurvesPicture['series']): CurvesPicture => ({
      kind: 'curves',
      ...{ title, about: 'Mean over heads.', quantity, log: false, series },
    });
    const norm = (name: 'keyNorm' | 'valueNorm' | 'queryNorm', what: string) =>
      curves(
        `Norm of ${what}`,
        'L2 norm, mean over heads',
        besideOthers(
          layers.map((layer) => layer[name]),
          top,
        ),
      );
    return [
      norm('keyNorm', 'keys'),
      norm('valueNorm', 'values'),
      norm('queryNorm', 'queries'),
      curves(
        'Cosine between queries and keys',
        'cosine, mean over heads',
        besideOthers(
          layers.map(({ cosine }) => cosine),
          top,
          // Every pair of a query and a key that it sees counts once.
          setting.windows.map((window) => uniformAttention({ T: setting.tokens, window }).queries),
        ),
      ),
    ];
  },
};

class SplitCollector implements Collector<readonly ScoreSplit[]> {
  private readonly layers: ScoreSplit[] = [];

  constructor(private readonly setting: Setting) {}

  add({ layer, reduced, k, v }: TextLayer): void {
    const { tokens: T, sizes, windows } = this.setting;
    const { H, D } = sizes;
    const G = k.length / (T * D);
    this.layers.push(scoreSplit({ q: reduced.turnedQueries!, k, v, T, H, G, D, window: windows[layer]! }));
  }

  finish(): readonly ScoreSplit[] {
    return this.layers;
  }
}
