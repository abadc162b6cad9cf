import { feed } from '../models/feed.ts';
import type { Model } from '../models/model.ts';
import { residualWidth } from '../models/stack.ts';
import type { ScanInput } from './scan.ts';
import { batchOf, batchTokens, type Single } from './scan-pass.ts';

/** Counts of the median's sketch, for each layer. */
const sketch = 2 ** 19;

/**
 * Bytes that a scan takes at its peak, roughly: the runtime, the largest set of weights alive at once (token table or one layer, as stored
 * and as float32), the residual streams, queries, keys and values of the page in one layer, one run's patterns with their temporaries, and
 * what is kept of every layer.
 *
 * @param patterns tokens whose patterns are kept. Default 0.
 * @param chunk queries of one run. Default 256, as in `scan`.
 */
export function scanMemory(
  model: Model,
  { page, texts = [] }: Pick<ScanInput, 'page' | 'texts'>,
  patterns = 0,
  chunk = 256,
): number {
  const { L, H, G, D } = model.stack.sizes;
  const lengthOf = (text: Single) => ('length' in text ? text.length : feed(model.stack, batchOf(text)).T);
  const P = lengthOf(page);
  const layers = new Map<string, number>();
  for (const [name, shape] of model.weightShapes) {
    const layer = /\.(\d+)\./.exec(name)?.[1] ?? name;
    layers.set(layer, (layers.get(layer) ?? 0) + 4 * shape.reduce((a, b) => a * b, 1));
  }
  const T = texts[0] ? lengthOf(texts[0]) : 0;
  const tokens = P + texts.length * T;
  const streams = 4 * tokens * residualWidth(model.stack.sizes) * 3;
  const heads = 4 * P * D * (4 * H + 4 * G);
  const textRows = T > chunk ? chunk : Math.min(batchTokens, texts.length * T);
  const cells = Math.max(Math.min(chunk, P) * P, textRows * T);
  const scores = 4 * 4 * H * cells;
  const figures = L * (P * (4 * H + 80) + (texts.length > 0 ? sketch : 0));
  // In bidirectional attention the beginning of the page is cut out of the pattern of the whole.
  const whole = patterns === 0 || (model.stack.causal ?? true) ? patterns : P;
  const kept = L * H * patterns * patterns * 2 + H * whole * whole * 8;
  const weights = model.weights.keep ? 4 * model.parameters : 2 * Math.max(...layers.values());
  return 150e6 + weights + streams + heads + scores + figures + kept;
}
