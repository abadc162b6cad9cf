import { type Claim, type Figure, statement, verdictFrom } from '../claim.ts';
import { type EmergenceResult, emergence } from '../emergence/experiment.ts';
import { baseSetting, type EmergenceSetting } from '../emergence/setting.ts';
import { atTriggers, average, elsewhere, figure, meanOf } from '../figures.ts';
import { mechanismComparison } from '../mechanisms/experiment.ts';
import type { ToyFigures } from '../toy-experiment.ts';

const [nullColumn, mass, error] = ['sinkElsewhere', 'massElsewhere', 'loss'] as const;

/** Mechanisms of the table by the card's names. */
const operations = {
  softmax: 'softmax',
  'K bias': 'K bias',
  'off-by-one': 'softmax1',
  ReLU: 'relu / n, n keys seen',
  sigmoid: 'sigmoid, b = −ln n',
} as const;

/** A share of the first token that is small, or one of weights that sum to next to nothing. */
const noSink = (runs: readonly ToyFigures[]) => meanOf(runs, elsewhere) <= 0.3 || meanOf(runs, mass) <= 0.05;

type Look = EmergenceResult['looks'][number];
const first = ({ sinkRate }: Look) => sinkRate[0]!;
const ends = (runs: readonly EmergenceResult[], of: (look: Look) => number) =>
  runs.map(({ looks }) => of(looks.at(-1)!));

const emergenceArms: Readonly<Record<string, Partial<EmergenceSetting>>> = {
  softmax: {},
  sigmoid: { attention: 'sigmoid, Z = 1' },
  'no BOS': { firstToken: 'free' },
  '3 layers with feed-forward': { L: 3, F: 172 },
};

export const claim: Claim = {
  card: 'sink-emergence',
  title: 'When attention sinks emerge',
  source: '2410.10781',
  statements: [
    statement({
      name: 'trigger-averaging',
      says: 'A head that has nothing to say rests on BOS, on a null column before BOS where there is one, and on nothing where weights need not sum to one; softmax without BOS fails.',
      experiment: mechanismComparison,
      settings: (size) =>
        Object.fromEntries(
          Object.entries(operations).flatMap(([label, mechanism]) => {
            const one = { toy: 'trigger-averaging', mechanism, share: size === 'night' ? 1 : 0.4 } as const;
            return [
              [`${label}, BOS`, one],
              [`${label}, no BOS`, { ...one, bos: false } as const],
            ];
          }),
        ),
      judge(runs) {
        const of = (label: keyof typeof operations, bos: boolean) => runs[`${label}, ${bos ? '' : 'no '}BOS`]!;
        const left = (label: keyof typeof operations, bos: boolean) =>
          meanOf(of(label, bos), error) / meanOf(of(label, bos), 'variance');
        const solved = (label: keyof typeof operations, bos: boolean) => left(label, bos) <= 0.04;
        const both = [true, false];
        const name = (label: string, bos: boolean) => `${label}, ${bos ? 'BOS' : 'no BOS'}`;
        const figures = (label: keyof typeof operations, bos: boolean, expected: Record<string, string>): Figure[] =>
          Object.entries({
            [nullColumn]: 'null column, elsewhere',
            [elsewhere]: 'share of the first token, elsewhere',
            [mass]: 'Σ|w|, elsewhere',
            [error]: 'mean squared error',
          }).flatMap(([key, about]) =>
            key in of(label, bos)[0]!.values && (key !== mass || label === 'ReLU' || label === 'sigmoid')
              ? [figure(`${name(label, bos)}: ${about}`, of(label, bos), key, expected[key])]
              : [],
          );
        return {
          verdict: verdictFrom(
            meanOf(of('softmax', true), elsewhere) >= 0.95,
            meanOf(of('softmax', true), atTriggers) <= 0.05,
            solved('softmax', true),
            left('softmax', false) >= 0.5,
            meanOf(of('K bias', false), nullColumn) >= 0.95,
            solved('K bias', false),
            meanOf(of('K bias', true), nullColumn) >= 0.9 && meanOf(of('K bias', true), elsewhere) <= 0.1,
            ...both.map((bos) => meanOf(of('off-by-one', bos), nullColumn) >= 0.9),
            ...both.flatMap((bos) => [noSink(of('ReLU', bos)), solved('ReLU', bos)]),
            ...both.flatMap((bos) => [noSink(of('sigmoid', bos)), left('sigmoid', bos) <= 0.25]),
          ),
          figures: [
            ...figures('softmax', true, { [elsewhere]: '1.000', [error]: '0' }),
            figure('softmax, BOS: attention to BOS, at triggers', of('softmax', true), atTriggers, '0.000'),
            {
              ...figure('softmax, no BOS (control): mean squared error', of('softmax', false), error, '0.040 of 0.055'),
              control: true,
            },
            figure(
              'softmax, no BOS (control): variance of the target',
              of('softmax', false),
              'variance',
              '0.055',
              'control',
            ),
            ...figures('K bias', false, { [nullColumn]: '1.000', [error]: '0' }),
            ...figures('K bias', true, { [nullColumn]: '0.98', [elsewhere]: '0.02' }),
            ...both.flatMap((bos) => figures('off-by-one', bos, { [nullColumn]: '1.000' })),
            ...both.flatMap((bos) => figures('ReLU', bos, { [elsewhere]: 'no sink', [error]: '0' })),
            ...both.flatMap((bos) => figures('sigmoid', bos, { [elsewhere]: 'no sink', [error]: '0.0095' })),
          ],
          note: 'In minutes two fifths of the 1,500 steps. No sink: a share of the first token of at most ε = 0.3, or weights that sum to at most 0.05; an error of 0 is one of at most 0.04 of the target’s variance, that of sigmoid at most 0.25, that of the failure at least 0.5 of it; in the card they are 0, 0.17 and 0.73, of a variance of 0.055, which here is about half that. The card does not say which of its last rows had BOS: both are run.',
        };
      },
    }),
    statement({
      name: 'backcopy-emerges',
      says: 'The sink on BOS is absent at first and emerges as softmax attention learns; with sigmoid attention that nothing normalises, without BOS, and in three layers with a feed-forward there is none.',
      experiment: emergence,
      settings: (size) =>
        Object.fromEntries(
          Object.entries(emergenceArms)
            .filter(([, { L }]) => size === 'night' || L === undefined)
            .map(([label, change]) => [
              label,
              { ...baseSetting, ...(size === 'night' ? {} : { steps: 800 }), ...change },
            ]),
        ),
      judge(runs) {
        const [softmax, sigmoid, free] = [runs.softmax!, runs.sigmoid!, runs['no BOS']!];
        const deep = runs['3 layers with feed-forward'];
        const start = softmax.map(({ looks }) => first(looks[0]!));
        const losses = (found: readonly EmergenceResult[]) => ends(found, ({ loss }) => loss);
        return {
          verdict: verdictFrom(
            average(start) <= 0.01,
            average(ends(softmax, first)) >= 0.9,
            average(ends(sigmoid, first)) <= 0.01,
            average(losses(sigmoid)) <= average(losses(softmax)) + 0.02,
            average(ends(free, first)) <= 0.01,
            ...(deep ? [average(ends(deep, first)) <= 0.01] : []),
          ),
          figures: [
            { about: 'softmax: Sink_1 at the start', values: start, expected: '0' },
            { about: 'softmax: Sink_1 at 400 steps', values: middle(softmax), expected: '0.66' },
            { about: 'softmax: Sink_1 at the end', values: ends(softmax, first), expected: '0.98 to 0.99' },
            { about: 'sigmoid, Z = 1: Sink_1 at the end', values: ends(sigmoid, first), expected: '0' },
            { about: 'softmax: held-out loss, nats', values: losses(softmax) },
            { about: 'sigmoid, Z = 1: the same', values: losses(sigmoid), expected: 'the same or better' },
            { about: 'no BOS (control): Sink_1 at the end', values: ends(free, first), expected: '0', control: true },
            ...(deep
              ? [
                  {
                    about: '3 layers with feed-forward (control): Sink_1 at the end',
                    ...{ values: ends(deep, first), expected: 'at most 0.01', control: true as const },
                  },
                ]
              : []),
          ],
          note: 'In minutes 800 of the 1,600 steps, without the three-layer control. “The same” loss is at most 0.02 nats higher. The factor experiments of the paper are a study of their own; released models are not among these statements.',
        };
      },
    }),
    statement({
      name: 'value-drains',
      says: 'As the sink emerges, the value of BOS shrinks, and BOS is attended to where there is nothing to copy, not at triggers.',
      experiment: mechanismComparison,
      settings: (size) => ({
        softmax: { toy: 'bigram-backcopy-dirichlet', mechanism: 'softmax', share: size === 'night' ? 1 : 0.5 } as const,
      }),
      judge(runs) {
        const softmax = runs.softmax!;
        const ratio = 'valueRatio';
        const start = softmax.map(({ untrained }) => untrained[ratio]!);
        return {
          verdict: verdictFrom(
            average(start) >= 0.8,
            meanOf(softmax, ratio) <= 0.5,
            meanOf(softmax, elsewhere) >= 0.3,
            meanOf(softmax, atTriggers) <= 0.05,
          ),
          figures: [
            { about: '‖v_BOS‖ over the other values, untrained', values: start, expected: '1.19' },
            figure('‖v_BOS‖ over the other values, trained', softmax, ratio, '0.22'),
            figure('attention to BOS where there is nothing to copy', softmax, elsewhere, '0.49'),
            figure('attention to BOS at triggers', softmax, atTriggers, '0.01'),
            figure('Sink_1, share of texts', softmax, 'sinkRate', '0.98 to 0.99'),
          ],
          note: 'In minutes 800 of the 1,600 steps. Held to at least 0.8 untrained, at most 0.5 trained; at least 0.3 elsewhere, at most 0.05 at triggers.',
        };
      },
    }),
  ],
};

/** Sink_1 of the look at 400 steps; the last one before it in shorter runs. */
function middle(runs: readonly EmergenceResult[]): number[] {
  return runs.map(({ looks }) => first(looks.filter(({ step }) => step <= 400).at(-1)!));
}
