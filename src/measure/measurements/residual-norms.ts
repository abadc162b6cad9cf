import type { Collector, Measurement, Setting, TextLayer } from '../measurement.ts';
import { cosinesTo, residualNorms } from '../residual.ts';
import { besideOthers } from '../sink-and-others.ts';

export interface ResidualDirections {
  /** [L][T] ‖h_t‖ after each block. */
  readonly norms: readonly Float64Array[];
  /** For each position of `primaryCandidates`, [L][T] cos(h_t, h_b) after each block. */
  readonly cosines: readonly (readonly Float64Array[])[];
}

/** Positions that may carry the primary sink: a chat template may put it third (2512.22213). */
export const primaryCandidates: readonly number[] = [0, 1, 2];

/** Norms of the residual after each block, and cosines to the positions that may carry the primary sink: all that secondary sinks need. */
export const measurement: Measurement<ResidualDirections> = {
  name: 'residual-norms',
  title: 'Norm of the residual',
  source: '2512.22213',
  over: 'page',
  reductions: {},
  takes: ['residual'],
  collect: (setting) => new DirectionCollector(setting),
  baseline: 'none: a norm does not depend on attention; the other tokens stand beside it',
  pictures: ({ norms }, { top }) => [
    {
      kind: 'curves',
      about: 'After each block.',
      quantity: 'L2 norm',
      log: true,
      series: besideOthers(norms, top),
    },
  ],
};

class DirectionCollector implements Collector<ResidualDirections> {
  private readonly norms: Float64Array[] = [];
  private readonly cosines: Float64Array[][];

  constructor(private readonly setting: Setting) {
    this.cosines = primaryCandidates.filter((position) => position < setting.tokens).map(() => []);
  }

  add({ residual }: TextLayer): void {
    const { tokens, sizes } = this.setting;
    const norms = residualNorms(residual, tokens, sizes.M);
    this.norms.push(norms);
    this.cosines.forEach((layers, i) => {
      layers.push(cosinesTo(residual, primaryCandidates[i]!, norms, sizes.M));
    });
  }

  finish(): ResidualDirections {
    return { norms: this.norms, cosines: this.cosines };
  }
}
