import { type Claim, statement, verdictFrom } from '../claim.ts';
import { elsewhere, figure, meanOf, valuesOf } from '../figures.ts';
import { mechanismComparison } from '../mechanisms/experiment.ts';

/** What N is; softmax for comparison. */
const variants = {
  softmax: 'softmax',
  fixed: 'affine-scaled: N fixed',
  'scale only': 'affine-scaled: no shift',
  causal: 'affine-scaled: N causal',
} as const;

/** The weight of BOS itself: a share of rows that sum to next to nothing says nothing. */
const weight = 'weightElsewhere';
const [loss, sum] = ['triggerLoss', 'rowSumElsewhere'] as const;

export const claim: Claim = {
  card: 'affine-scaled-attention',
  title: 'Affine-scaled attention',
  source: '2602.23057',
  statements: [
    statement({
      name: 'sink-gone',
      says: 'Rows scaled by α and shifted by (ᾱ − α) / N with N the length of training need no sink, at the loss of softmax; with N the keys that are seen, every row sums to ᾱ and the sink stays.',
      experiment: mechanismComparison,
      settings: (size) =>
        Object.fromEntries(
          Object.entries(variants).map(([label, mechanism]) => [
            label,
            { toy: 'bigram-backcopy', mechanism, share: size === 'night' ? 1 : 0.4 } as const,
          ]),
        ),
      judge(runs) {
        const [softmax, fixed, scaled, causal] = [runs.softmax!, runs.fixed!, runs['scale only']!, runs.causal!];
        const atTriggers = valuesOf(causal, 'rowSumAtTriggers');
        const apart = valuesOf(causal, sum).map((found, seed) => Math.abs(found - atTriggers[seed]!));
        return {
          verdict: verdictFrom(
            meanOf(softmax, elsewhere) >= 0.5,
            meanOf(fixed, weight) <= 0.1,
            meanOf(fixed, loss) <= meanOf(softmax, loss) + 0.01,
            meanOf(scaled, elsewhere) <= 0.1,
            meanOf(causal, weight) >= 0.5,
            apart.every((difference) => difference <= 1e-5),
          ),
          figures: [
            figure('softmax: weight of BOS, elsewhere', softmax, elsewhere, '0.86'),
            figure('N fixed: the same', fixed, weight, '0.002, at most 0.1'),
            figure('scale alone (β = 0): the same', scaled, elsewhere, '0.000'),
            figure('N causal (control): the same', causal, weight, '0.94, at least 0.5', 'control'),
            figure('N fixed: sum of a row, elsewhere', fixed, sum, '0.06'),
            figure('N causal (control): sum of a row, elsewhere', causal, sum, 'ᾱ', 'control'),
            {
              about: 'N causal (control): the same, difference to rows at triggers',
              ...{ values: apart, expected: '0: every row sums to ᾱ', control: true },
            },
            figure('softmax: loss after triggers, nats', softmax, loss, '0.001'),
            figure('N fixed: the same', fixed, loss, '0.006, within 0.01 of softmax'),
            figure('scale alone: the same', scaled, loss, '0.002'),
            figure('N causal (control): the same', causal, loss, '0.012', 'control'),
          ],
          note: 'In minutes two fifths of the 5,000 steps. That rows of N causal sum to ᾱ is held against each other here (10⁻⁵, means over a batch); the identity itself is a test.',
        };
      },
    }),
  ],
};
