import { uniformByLayer, visibilityOf } from '../layer-visibility.ts';
import type { Collector, CurvesPicture, Measurement, Setting, TextLayer } from '../measurement.ts';
import { turnedQueries } from '../reductions.ts';
import { type ScoreSplit, scoreSplit } from '../score-split.ts';
import { besideOthers } from '../sink-and-others.ts';

/**
 * The scores split into norms and cosine, q · k = ‖q‖ ‖k‖ cos(q, k) after RoPE, and the norms of values (2410.10781): at a sink the cosine
 * is large, while key and value are short. Null for a layer without queries and keys.
 */
export const measurement: Measurement<readonly (ScoreSplit | null)[]> = {
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
          layers.map((layer) => layer?.[name] ?? null),
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
          layers.map((layer) => layer?.cosine ?? null),
          top,
          // Every pair of a query and a key that it sees counts once.
          uniformByLayer(setting).map((uniform) => uniform?.queries ?? null),
        ),
      ),
    ];
  },
};

class SplitCollector implements Collector<readonly (ScoreSplit | null)[]> {
  private readonly layers: (ScoreSplit | null)[] = [];

  constructor(private readonly setting: Setting) {}

  add({ layer, reduced, k, v }: TextLayer): void {
    const { sizes } = this.setting;
    const { T, S = T, window = null, causal = true } = visibilityOf(this.setting, layer);
    const { H, D } = sizes;
    const q = reduced.turnedQueries;
    this.layers.push(q ? scoreSplit({ q, k, v, T, S, H, G: k.length / (S * D), D, window, causal }) : null);
  }

  finish(): readonly (ScoreSplit | null)[] {
    return this.layers;
  }
}
