import type { LayerOutput, Reductions } from '../models/layerwise.ts';
import type { Model } from '../models/model.ts';
import type { LayerCurves, ScanResult, TokenInfo } from '../report/result.ts';
import { detectMassive, type ResidualExtremes, residualExtremes } from './massive-detector.ts';
import { receivedByKey } from './received.ts';
import { columnSums, rowEntropy, sinkMass, turnedQueries } from './reductions.ts';
import { cosinesTo, residualNorms } from './residual.ts';
import { type ScoreSplit, scoreSplit } from './score-split.ts';
import { findPrimary, findTurnedTokens } from './secondary-detector.ts';
import { findSinkTokens } from './sink-tokens.ts';
import { uniformAttention } from './uniform.ts';

/** What is kept of one layer of the page: numbers per head and key, never a pattern. */
interface PageLayer {
  readonly mean: Float64Array; // [S]
  readonly max: Float64Array; // [S]
  readonly perHead: Float64Array; // [H, S]
  readonly entropy: number;
  readonly sink: number[] | null; // [H]
  readonly extremes: ResidualExtremes;
  readonly norms: Float64Array; // [T]
  readonly cosines: Float64Array[]; // to each candidate, [T]
  readonly split: ScoreSplit;
}

/** Positions that may carry the primary sink; a chat template may put it third (2512.22213). */
const candidatesOf = (tokens: readonly TokenInfo[]) =>
  (tokens.some(({ role }) => role === 'template') ? [0, 1, 2] : [0, 1]).filter((p) => p < tokens.length);

/** What the page is measured by inside the graph. */
export const pageReductions: Reductions = { columnSums, rowEntropy, sinkMass, turnedQueries };

const mean = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0) / values.length;

/** Collects one text layer by layer and finishes it into the page of a scan. Needs `pageReductions`. */
export class PageCollector {
  private readonly layers: PageLayer[] = [];

  constructor(
    private readonly model: Model,
    private readonly tokens: readonly TokenInfo[],
  ) {}

  add({ layer, reduced, residual, k, v }: LayerOutput): void {
    const { H, G, D, M } = this.model.decoder.sizes;
    const T = this.tokens.length;
    const window = this.model.decoder.blocks[layer]!.window;
    const mass = reduced.sinkMass?.data;
    const firstRow = Array.from({ length: H }, (_, h) => 1 - (mass?.[h * T] ?? 0));
    const norms = residualNorms(residual, T, M);
    this.layers.push({
      ...receivedByKey(reduced.columnSums!.data, firstRow, { T, window: window ?? null }),
      entropy: mean(reduced.rowEntropy!.data),
      sink: mass ? Array.from({ length: H }, (_, h) => mean(mass.subarray(h * T, (h + 1) * T))) : null,
      extremes: residualExtremes(residual, T, M),
      norms,
      cosines: candidatesOf(this.tokens).map((b) => cosinesTo(residual, b, norms, M)),
      split: scoreSplit({ q: reduced.turnedQueries!.data, k, v, T, H, G, D, window }),
    });
  }

  /** Largest |residual| / median over layers. */
  get largestRatio(): number {
    return detectMassive(this.layers.map(({ extremes }) => extremes)).largestRatio;
  }

  finish(epsilon: number): { page: Omit<ScanResult['page'], 'patterns'>; notes: string[] } {
    const { layers, tokens } = this;
    const T = tokens.length;
    const windows = this.model.decoder.blocks.map(({ window }) => window ?? null);
    const uniform = windows.map((window) => uniformAttention({ T, window }));
    const candidates = candidatesOf(tokens);
    const primary = findPrimary(
      layers.map(({ norms }) => norms),
      candidates,
    );
    const cosine = layers.map(({ cosines }) => cosines[candidates.indexOf(primary.position)]!);
    const residual = { primary, turned: findTurnedTokens(cosine, primary), cosine };
    const found = findSinkTokens({
      tokens,
      windows,
      mean: layers.map((l) => l.mean),
      max: layers.map((l) => l.max),
      epsilon,
      residual,
    });
    const top = found.sinks[0]?.position ?? found.strongest ?? 0;
    const massive = detectMassive(layers.map(({ extremes }) => extremes));
    return {
      page: {
        received: layers.map((l) => numbers(l.mean)),
        uniform: uniform.map((u) => numbers(u.received)),
        topSink: layers.map((l) =>
          Array.from({ length: l.perHead.length / T }, (_, h) => finite(l.perHead[h * T + top]!)),
        ),
        sinks: found.sinks,
        massive: massive.activations,
        written: massive.written,
        erased: massive.erased,
        curves: this.curves(
          top,
          uniform.map(({ entropy }) => entropy),
        ),
        ...(layers.some(({ sink }) => sink) ? { learnedSink: layers.map(({ sink }) => sink) } : {}),
      },
      notes: found.notes,
    };
  }

  private curves(top: number, uniformEntropy: number[]): LayerCurves {
    const pair = (of: (layer: PageLayer) => Float64Array) => {
      const others = (values: Float64Array) =>
        (values.reduce((a, b) => a + b, 0) - values[top]!) / Math.max(1, values.length - 1);
      return { sink: this.layers.map((l) => of(l)[top]!), others: this.layers.map((l) => others(of(l))) };
    };
    return {
      largest: this.layers.map(
        ({ extremes }) => [0, 1, 2].map((i) => Math.abs(extremes.largest[i]?.value ?? 0)) as [number, number, number],
      ),
      median: this.layers.map(({ extremes }) => extremes.median),
      residualNorm: pair((l) => l.norms),
      queryNorm: pair((l) => l.split.queryNorm),
      keyNorm: pair((l) => l.split.keyNorm),
      valueNorm: pair((l) => l.split.valueNorm),
      cosine: pair((l) => l.split.cosine),
      entropy: this.layers.map(({ entropy }) => entropy),
      uniformEntropy,
    };
  }
}

/** Keys that no later query sees have no mean; they are shown as 0. */
const finite = (value: number) => (Number.isFinite(value) ? value : 0);
const numbers = (values: Float64Array) => Array.from(values, finite);
