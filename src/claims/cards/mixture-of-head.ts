import { mixtureOfHead } from '../../attention/mechanisms/mixture-of-head.ts';
import { softmaxAttention } from '../../attention/mechanisms/softmax.ts';
import { characterExperiment, characterSettings, smallerText } from '../character-experiment.ts';
import type { GatedHeads } from '../character-figures.ts';
import { type Claim, statement, verdictFrom } from '../claim.ts';
import { average, figure, meanOf } from '../figures.ts';
import { defaultModelName, judgeMeasured } from '../model-at-hand-node.ts';
import { queryNormHeads } from '../query-norm-heads-node.ts';

const [threeQuarters, half] = [
  { shared: 4, active: 2 },
  { shared: 2, active: 2 },
];

/** Eight heads. */
const arms = {
  MHA: { mechanism: softmaxAttention },
  'MoH 75 %': { mechanism: () => mixtureOfHead({ budget: threeQuarters }) },
  'MoH 50 %': { mechanism: () => mixtureOfHead({ budget: half }) },
  'random routing': { mechanism: () => mixtureOfHead({ budget: threeQuarters, choice: 'noise' }) },
  'no shared heads': { mechanism: () => mixtureOfHead({ budget: { shared: 0, active: 6 } }) },
  'no balance loss': { mechanism: () => mixtureOfHead({ budget: threeQuarters, balance: { weight: 0 } }) },
} as const;
const shared = { 'MoH 50 %': 2, 'no shared heads': 0 } as Readonly<Record<string, number>>;

/** load: max f_i / mean f_i of the routed heads, mean over layers. firstWhereOn, firstWhereOff: their attention to the first token. */
function routedFigures(layers: readonly GatedHeads[], always: number): Record<string, number> {
  const routed = layers.map(({ on, firstOn, firstOff }) => ({
    on: on.slice(always),
    firstOn: firstOn.slice(always),
    firstOff: firstOff.slice(always),
  }));
  const share = average(routed.flatMap(({ on }) => on));
  return {
    load: average(routed.map(({ on }) => Math.max(...on) / average(on))),
    firstWhereOn: average(routed.flatMap(({ firstOn }) => firstOn)) / share,
    firstWhereOff: average(routed.flatMap(({ firstOff }) => firstOff)) / (1 - share),
  };
}

const experiment = characterExperiment({
  name: 'mixture-of-head',
  version: 1,
  arms,
  after: ({ arm, found }) => (found.heads.length === 0 ? {} : routedFigures(found.heads, shared[arm] ?? 4)),
});

export const claim: Claim = {
  card: 'mixture-of-head',
  title: 'Mixture-of-head attention',
  source: '2410.11842',
  statements: [
    statement({
      name: 'quality',
      says: 'With three quarters of the heads, chosen by a router, a language model is as good as with all; chosen at random, clearly worse.',
      experiment,
      settings: (size) => characterSettings(['MHA', 'MoH 75 %', 'MoH 50 %', 'random routing', 'no shared heads'], size),
      judge: (runs) => {
        const loss = (label: string) => meanOf(runs[label]!, 'heldOutLoss');
        const of = (label: string, expected?: string, control?: 'control') =>
          figure(`${label}: loss, nats`, runs[label]!, 'heldOutLoss', expected, control);
        return {
          verdict: verdictFrom(
            Math.abs(loss('MoH 75 %') - loss('MHA')) <= 0.02,
            loss('random routing') - loss('MoH 75 %') > 0.03,
          ),
          figures: [
            of('MHA'),
            of('MoH 75 %', 'within 0.02 of MHA (expectation)'),
            of('MoH 50 %'),
            of('random routing', 'more than 0.03 above MoH 75 % (expectation)', 'control'),
            of('no shared heads', undefined, 'control'),
          ],
          note: smallerText,
        };
      },
    }),
    statement({
      name: 'balance',
      says: 'Without the load-balance loss the routed heads are used far more unevenly.',
      experiment,
      settings: (size) => characterSettings(['MoH 75 %', 'no balance loss'], size),
      judge: (runs) => {
        const [balanced, free] = [meanOf(runs['MoH 75 %']!, 'load'), meanOf(runs['no balance loss']!, 'load')];
        return {
          // Beyond one: what is more than even.
          verdict: verdictFrom(free - 1 >= 1.5 * (balanced - 1) && free >= balanced + 0.1),
          figures: [
            figure('β 0.01: most used routed head over the mean', runs['MoH 75 %']!, 'load'),
            figure(
              'β 0 (control): the same',
              ...([runs['no balance loss']!, 'load', 'well above (expectation)', 'control'] as const),
            ),
          ],
          note: `The card says "well above": here at least half as much again beyond one, and 0.1. ${smallerText}`,
        };
      },
    }),
    statement({
      name: 'off-heads-first',
      says: 'Where a routed head is off, it looks at the first token at least as much as where it is on.',
      experiment,
      settings: (size) => characterSettings(['MHA', 'MoH 75 %', 'random routing'], size),
      judge: (runs) => {
        const routed = runs['MoH 75 %']!;
        const random = runs['random routing']!;
        const more = (label: string) => meanOf(runs[label]!, 'firstWhereOff') - meanOf(runs[label]!, 'firstWhereOn');
        return {
          verdict: verdictFrom(more('MoH 75 %') >= 0),
          figures: [
            figure(
              'MoH 75 %, head off: attention to the first token',
              routed,
              'firstWhereOff',
              'at least that where on',
            ),
            figure('MoH 75 %, head on: the same', routed, 'firstWhereOn'),
            figure('random routing, head off: the same', random, 'firstWhereOff', 'as where on', 'control'),
            figure('random routing, head on: the same', random, 'firstWhereOn', undefined, 'control'),
            figure('MHA: mean attention to the first token', runs.MHA!, 'first'),
            figure('MHA: sink rate', runs.MHA!, 'sinkRate'),
            figure('MoH 75 %: sink rate', routed, 'sinkRate'),
          ],
          note: `The card expects this without a source; where a model is too small for sinks, both are near what even attention gives. ${smallerText}`,
        };
      },
    }),
    statement({
      name: 'query-norms',
      says: 'In a trained model that was never tuned for it, three quarters of the heads cost less when the routed ones are those with the largest queries than when they are random, or those with the smallest.',
      experiment: queryNormHeads,
      settings: (size) => ({
        model: { model: defaultModelName, texts: size === 'night' ? 40 : 6, tokens: size === 'night' ? 256 : 128 },
      }),
      judge: ({ model }) =>
        judgeMeasured(model!, (runs) => {
          const of = (name: string) => runs.map(({ values }) => values[name]!);
          const mean = (name: string) => of(name).reduce((a, b) => a + b, 0) / runs.length;
          const rise = (name: string) => of(name).map((nats) => 100 * Math.expm1(nats));
          return {
            verdict: verdictFrom(mean('top') < mean('noise'), mean('top') < mean('bottom')),
            figures: [
              { about: 'all heads: loss, nats', values: of('loss') },
              {
                about: 'largest queries: rise of perplexity, %',
                values: rise('top'),
                expected: 'several to tens (expectation)',
              },
              { about: 'random: the same', values: rise('noise'), expected: 'more', control: true as const },
              { about: 'smallest queries: the same', values: rise('bottom'), expected: 'more', control: true as const },
            ],
            note: 'SmolLM2-135M: nine query heads, five always on, two of the other four. In minutes 6 texts of 128 tokens, in a night 40 of 256.',
          };
        }),
    }),
  ],
};
