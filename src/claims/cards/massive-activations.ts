import { type Claim, type ClaimSize, statement, verdictFrom } from '../claim.ts';
import { type EmergenceResult, emergence } from '../emergence/experiment.ts';
import { baseSetting } from '../emergence/setting.ts';
import { average, figureOf } from '../figures.ts';
import { massiveIntervention } from '../massive-intervention-node.ts';
import { massiveScan } from '../massive-scan-node.ts';
import { defaultModelName, judgeMeasured, type MeasuredModel } from '../model-at-hand-node.ts';

const of = (runs: readonly MeasuredModel[], name: string) => runs.map(({ values }) => values[name]!);
const meanOf = (runs: readonly MeasuredModel[], name: string) => average(of(runs, name));

const figure = (about: string, runs: readonly MeasuredModel[], name: string, expected?: string, control?: 'control') =>
  figureOf(about, of(runs, name), expected, control);

const atEnd = (runs: readonly EmergenceResult[], get: (look: EmergenceResult['looks'][number]) => number) =>
  runs.map(({ looks }) => get(looks.at(-1)!));

const scanned = (size: ClaimSize) => ({
  model: { model: defaultModelName, ...(size === 'night' ? { texts: 100, page: 512 } : { texts: 10, page: 256 }) },
});

export const claim: Claim = {
  card: 'massive-activations',
  title: 'Massive activations',
  source: '2402.17762',
  statements: [
    statement({
      name: 'few-and-fixed',
      says: 'In a trained model a few residual entries of the first token tower over the median in the middle layers, at the same place in every text, and are gone after the last block; an untrained model has none.',
      experiment: massiveScan,
      settings: scanned,
      judge: ({ model }) =>
        judgeMeasured(model!, (runs) => ({
          verdict: verdictFrom(
            meanOf(runs, 'middleRatio') >= 1000,
            meanOf(runs, 'lastRatio') <= meanOf(runs, 'middleRatio') / 10,
            meanOf(runs, 'atFirst') >= 0.9 && meanOf(runs, 'samePlace') >= 0.9,
            meanOf(runs, 'ratioRandom') < 30,
          ),
          figures: [
            figure('largest |h| over the median, middle third of layers', runs, 'middleRatio', '1,000 and more'),
            figure('the same, largest of all layers', runs, 'peakRatio', '10³ to 10⁵'),
            figure('the same, after the last block', runs, 'lastRatio', 'collapsed'),
            figure('share of massive entries at the first token', runs, 'atFirst'),
            figure('share of texts with the most frequent place', runs, 'samePlace', '1: channels are fixed'),
            figure('its dimension', runs, 'channel'),
            figure('random initialisation: largest ratio', runs, 'ratioRandom', 'below 30', 'control'),
            figure('weights permuted: largest ratio', runs, 'ratioPermuted', undefined, 'control'),
            figure('shuffled, first token moved: largest ratio', runs, 'ratioMoved'),
          ],
          note: `${defaultModelName}, quantised to four bits where it comes from the Python package. Texts from another place of the text that ships for every seed; the card takes GPT-2 and Pythia as well. In minutes 10 texts of 64 tokens and one of 256.`,
        })),
    }),
    statement({
      name: 'attention-follows',
      says: 'Attention rests on the token that carries them, beyond what uniform attention gives it; not in an untrained model, nor with permuted weights.',
      experiment: massiveScan,
      settings: scanned,
      judge: ({ model }) =>
        judgeMeasured(model!, (runs) => ({
          verdict: verdictFrom(
            meanOf(runs, 'toFirstCarrying') >= 0.3,
            meanOf(runs, 'sinkRate') >= 0.5,
            meanOf(runs, 'sinkRandom') <= 0.05 && meanOf(runs, 'sinkPermuted') <= 0.05,
          ),
          figures: [
            figure('mean attention to the first token, layers that read a massive entry', runs, 'toFirstCarrying'),
            figure('the same, the other layers', runs, 'toFirstOther'),
            figure('the same under uniform attention', runs, 'toFirstUniform', undefined, 'control'),
            figure('sink rate at ε 0.3', runs, 'sinkRate'),
            figure('sink rate under uniform attention', runs, 'sinkUniform', '0', 'control'),
            figure('random initialisation: sink rate', runs, 'sinkRandom', '0', 'control'),
            figure('weights permuted: sink rate', runs, 'sinkPermuted', '0', 'control'),
            figure('shuffled, first token kept: sink rate', runs, 'sinkKept'),
            figure('shuffled, first token moved: sink rate', runs, 'sinkMoved'),
          ],
          note: 'The card gives no numbers for sinks; 0.3 of the attention, half of the heads and 5 % for the controls are ours. That other layers rest there as well is no contradiction: sinks do not need massive activations.',
        })),
    }),
    statement({
      name: 'biases',
      says: 'They act as biases: set to their mean over other texts the loss hardly changes, set to zero it rises at least ten times as much; as many random entries set to zero do nothing.',
      experiment: massiveIntervention,
      settings: (size) => ({
        model: {
          model: defaultModelName,
          ...(size === 'night' ? { texts: 10, tokens: 256, others: 50 } : { texts: 3, tokens: 128, others: 50 }),
        },
      }),
      judge: ({ model }) =>
        judgeMeasured(model!, (runs) =>
          runs.some(({ values }) => values.coordinates === 0)
            ? {
                verdict: 'not shown at this scale',
                figures: [figure('massive entries of the first token', runs, 'coordinates')],
                note: 'In some texts the first token has no massive entry, so there is nothing to overwrite.',
              }
            : {
                verdict: verdictFrom(
                  Math.abs(meanOf(runs, 'mean')) < 0.05,
                  meanOf(runs, 'zero') > 0 && meanOf(runs, 'zero') >= 10 * Math.abs(meanOf(runs, 'mean')),
                  Math.abs(meanOf(runs, 'random')) < 0.01,
                ),
                figures: [
                  figure('set to their mean: rise of the loss, nats', runs, 'mean', 'below 0.05'),
                  figure('set to zero: rise of the loss', runs, 'zero', 'ten times that or more; depends on the model'),
                  figure('random entries set to zero: rise of the loss', runs, 'random', 'below 0.01', 'control'),
                  figure('loss as it is, nats a token', runs, 'loss'),
                  figure('entries that are overwritten', runs, 'coordinates', '1 or 2'),
                  figure('after block (from 0)', runs, 'layer', 'an early one'),
                ],
                note: `${defaultModelName}; only the first token’s entries are overwritten, after the first block that has any. In minutes 3 texts of 128 tokens instead of 10 of 256.`,
              },
        ),
    }),
    statement({
      name: 'explicit-bias',
      says: 'Given a learned key and value bias, a model learns as well and its first token grows less; direction only.',
      experiment: emergence,
      settings(size) {
        const steps = size === 'night' ? 1600 : 400;
        const shared = {
          ...{ ...baseSetting, L: 2, H: 2, F: 172, position: 'rope' as const, steps, every: steps },
          batch: size === 'night' ? 128 : 32,
        };
        return {
          default: { ...shared, firstToken: 'free' as const },
          'sink token': { ...shared, firstToken: 'fixed' as const },
          'KV bias': { ...shared, firstToken: 'free' as const, attention: 'KV bias' as const },
        };
      },
      judge(runs) {
        const [plain, token, bias] = (['default', 'sink token', 'KV bias'] as const).map((arm) => runs[arm]!) as [
          EmergenceResult[],
          EmergenceResult[],
          EmergenceResult[],
        ];
        const losses = [plain, token, bias].map((arm) => average(atEnd(arm, ({ loss }) => loss)));
        const ratio = (arm: readonly EmergenceResult[]) => atEnd(arm, ({ firstNormRatio }) => firstNormRatio);
        return {
          verdict: verdictFrom(
            Math.max(...losses) <= 1.02 * Math.min(...losses),
            average(ratio(bias)) < average(ratio(plain)),
          ),
          figures: [
            { about: 'default: loss, nats', values: atEnd(plain, ({ loss }) => loss), expected: 'within 2 %' },
            { about: 'sink token: loss', values: atEnd(token, ({ loss }) => loss), expected: 'within 2 %' },
            { about: 'key and value bias: loss', values: atEnd(bias, ({ loss }) => loss), expected: 'within 2 %' },
            { about: 'default: length of the first token’s residual over the others’', values: ratio(plain) },
            { about: 'sink token: the same', values: ratio(token) },
            {
              about: 'key and value bias: the same',
              values: ratio(bias),
              expected: 'lower than default (direction only)',
            },
            { about: 'default: largest |residual| over its mean', values: atEnd(plain, (look) => look.largestRatio) },
            { about: 'key and value bias: the same', values: atEnd(bias, (look) => look.largestRatio) },
          ],
          note: 'Two layers of width 64 on the bigram/backcopy language instead of a language model of 2–6 M parameters, so no entry is massive by the criterion. In minutes 400 steps of 32 texts instead of 1,600 of 128.',
        };
      },
    }),
  ],
};
