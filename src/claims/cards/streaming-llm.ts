import { type Claim, type ClaimSize, type Figure, statement, type Verdict, verdictFrom } from '../claim.ts';
import { average, figure, figureOf, meanOf } from '../figures.ts';
import { defaultModelName, judgeMeasured, type MeasuredModel } from '../model-at-hand-node.ts';
import { correlation } from '../streaming-losses.ts';
import { streamingRescue } from '../streaming-rescue-node.ts';
import { streamingToy } from '../streaming-toy.ts';
import type { ToyFigures } from '../toy-experiment.ts';

type Values = Readonly<Record<string, number>>;

const each = (runs: readonly { readonly values: Values }[], get: (values: Values) => number) =>
  runs.map(({ values }) => get(values));

const measured = (
  about: string,
  runs: readonly MeasuredModel[],
  get: (values: Values) => number,
  expected?: string,
  control?: 'control',
): Figure => figureOf(about, each(runs, get), expected, control);

const streamed = (size: ClaimSize) => ({
  model: { model: defaultModelName, capacity: 256, tokens: size === 'night' ? 8000 : 1024 },
});

const gap = (values: Values) => values.window! - values.four!;
const middleShare = ({ windowLate, middle, fourLate }: Values) => (windowLate! - middle!) / (windowLate! - fourLate!);
const newlineShare = ({ window, newlines, four }: Values) => (window! - newlines!) / (window! - four!);

/** What holds, where a window loses something at all. */
const whereGap = (runs: readonly MeasuredModel[], ...held: readonly boolean[]): Verdict =>
  average(each(runs, gap)) < 0.1 ? 'not shown at this scale' : verdictFrom(...held);

const streamNote = `${defaultModelName}, quantised to four bits where it comes from the Python package. The text is the opening of Emma that ships, 47,246 characters or about 10,800 tokens, from another place for every seed; those of a night overlap. Capacity 256; 8,000 tokens in a night, 1,024 in minutes, not 4,000 to 8,000.`;

const free = 'free first token';
const learned = 'learned sink token';

const trained = (size: ClaimSize) => {
  const shared =
    size === 'night'
      ? { L: 4, H: 4, M: 128, T: 256, batch: 16, steps: 600, capacity: 64, stream: 8192 }
      : { L: 2, H: 4, M: 64, T: 128, batch: 16, steps: 400, capacity: 64, stream: 2048 };
  return { [free]: { ...shared, sinkToken: false }, [learned]: { ...shared, sinkToken: true } };
};

const toyNote =
  'Bytes of the 47,246 that ship: four fifths to learn from, the stream is from the last. In a night 4 layers of width 128 and 256 bytes, 600 steps, not a few thousand: more and the text is known by heart; 8,192 bytes are streamed. In minutes 2 layers of width 64 and 128 bytes, 400 steps, 2,048 bytes. Capacity 64.';

/** Sink mass and gap of every run, trained and not. */
function withSinkMass(runs: readonly ToyFigures[]): { readonly mass: number[]; readonly gaps: number[] } {
  return {
    mass: [...each(runs, (v) => v.sinkMass!), ...each(runs, (v) => v.untrainedSinkMass!)],
    gaps: [...each(runs, gap), ...each(runs, (v) => v.untrainedWindow! - v.untrainedFour!)],
  };
}

export const claim: Claim = {
  card: 'streaming-llm',
  title: 'StreamingLLM',
  source: '2309.17453',
  statements: [
    statement({
      name: 'rescue',
      says: 'A trained model that streams over a window of recent tokens falls apart; four first tokens that stay in the cache rescue it for as long as the text goes on, and eight do no better.',
      experiment: streamingRescue,
      settings: streamed,
      judge: ({ model }) =>
        judgeMeasured(model!, (runs) => ({
          verdict: whereGap(
            runs,
            average(each(runs, gap)) >= Math.log(3),
            Math.abs(average(each(runs, ({ rise }) => rise!))) <= 0.1,
            Math.abs(average(each(runs, ({ eight, four }) => eight! - four!))) <= 0.05,
          ),
          figures: [
            measured('window of 256: perplexity over that of 4 + 252', runs, (v) => Math.exp(gap(v)), 'several times'),
            measured('window of 256: perplexity', runs, ({ window }) => Math.exp(window!)),
            measured('4 + 252: perplexity', runs, ({ four }) => Math.exp(four!)),
            measured('8 + 248: loss over that of 4 + 252, nats', runs, (v) => v.eight! - v.four!, '0'),
            measured('4 + 252: loss over that of the text read afresh, nats', runs, (v) => v.four! - v.afresh!, '0'),
            measured('its rise from the beginning of the stream to the end', runs, ({ rise }) => rise!, '0: flat'),
            measured('window of 256: the same rise', runs, ({ windowRise }) => windowRise!),
          ],
          note: `${streamNote} All losses are those after the first 256 tokens. The card gives no thresholds: three times the perplexity, 0.1 nats of rise and 0.05 between four and eight are ours. Read afresh: in pieces of 256 tokens, of which the second half counts; the rise is taken beside it, so that a harder page is not taken for decay.`,
        })),
    }),
    statement({
      name: 'place-not-meaning',
      says: 'It is the place that makes a sink: four newlines in front of the text rescue the window as well, and four tokens of its middle do not.',
      experiment: streamingRescue,
      settings: streamed,
      judge: ({ model }) =>
        judgeMeasured(model!, (runs) => ({
          verdict: whereGap(runs, average(each(runs, newlineShare)) >= 0.75, average(each(runs, middleShare)) <= 0.25),
          figures: [
            measured('newlines: share of the gap from window to 4 + 252', runs, newlineShare, '1: they rescue'),
            measured('middle tokens: the same share', runs, middleShare, '0: no rescue', 'control'),
            measured('window: loss over that of 4 + 252, nats', runs, gap),
            measured('newlines + 252: loss over that of 4 + 252', runs, (v) => v.newlines! - v.four!, '0'),
            measured('middle 4 + 252: the same', runs, (v) => v.middle! - v.fourLate!, undefined, 'control'),
          ],
          note: `${streamNote} Gaps are in nats; the middle tokens are the four after the first 256, and their figures those after 516 tokens, when they stand apart from the last ones. Three quarters and one quarter are ours.`,
        })),
    }),
    statement({
      name: 'tiny-order',
      says: 'In a tiny language model a window is worse than four first tokens and the last ones, which is as good as reading afresh; the more attention rests on the first token, the larger the gap. An untrained model has none.',
      experiment: streamingToy,
      settings: trained,
      judge(results) {
        const [runs, withToken] = [results[free]!, results[learned]!];
        const all = withSinkMass([...runs, ...withToken]);
        const untrained = all.gaps.slice(all.gaps.length / 2);
        const related = correlation(all.mass, all.gaps);
        const ordered = average(each(runs, gap)) >= 0.01 && each(runs, gap).every((one) => one > 0);
        return {
          verdict: ordered
            ? verdictFrom(
                Math.abs(meanOf(runs, 'fourThere') - meanOf(runs, 'recomputed')) <= 0.05,
                related >= 0.5,
                untrained.every((one) => Math.abs(one) < 0.01),
                ordered,
              )
            : 'not shown at this scale',
          figures: [
            { about: 'window: loss over that of 4 + 60, nats', values: each(runs, gap), expected: '0.1 to 0.5' },
            {
              about: '4 + 60: loss over that of reading afresh',
              values: each(runs, (v) => v.fourThere! - v.recomputed!),
              expected: '0',
            },
            figure('4 + 60: loss', runs, 'four'),
            figure('attention to the first place by queries after the 64th', runs, 'sinkMass'),
            figure('the same under even attention', runs, 'uniformMass', undefined, 'control'),
            {
              about: 'with a learned sink token: window over 4 + 60',
              values: each(withToken, gap),
            },
            figure('with a learned sink token: attention to it', withToken, 'sinkMass'),
            { about: 'correlation of gap and attention to the first place, all runs', values: [related] },
            { about: 'untrained: window over 4 + 60', values: untrained, expected: '0', control: true },
          ],
          note: `${toyNote} The order counts, by 0.01 nats and in every run, not the size of the gap; without it nothing is shown, whatever else holds. The correlation is over models with and without a learned sink token, trained and untrained.`,
        };
      },
    }),
    statement({
      name: 'sink-token',
      says: 'Learnt with a sink token in front of every sequence, a model needs that one alone, and without it is worse off than an ordinary model without its first tokens.',
      experiment: streamingToy,
      settings: trained,
      judge(results) {
        const [runs, withToken] = [results[free]!, results[learned]!];
        const worse = meanOf(withToken, 'window') - meanOf(runs, 'window');
        return {
          verdict:
            average(each(withToken, gap)) < 0.01
              ? 'not shown at this scale'
              : verdictFrom(Math.abs(meanOf(withToken, 'one') - meanOf(withToken, 'four')) <= 0.02, worse >= 0.05),
          figures: [
            {
              about: 'learned sink token: loss of 1 + 63 over 4 + 60, nats',
              values: each(withToken, (v) => v.one! - v.four!),
              expected: '0 (160 M parameters: 18.01 and 18.02)',
            },
            figure('learned sink token: loss of the window', withToken, 'window', 'worse; 160 M: perplexity 1,235'),
            figure('free first token: loss of the window', runs, 'window', '160 M: perplexity 27.87'),
            figure('learned sink token: loss of 4 + 60', withToken, 'four'),
            figure('free first token: loss of 4 + 60', runs, 'four'),
            {
              about: 'free first token: loss of 1 + 63 over 4 + 60',
              values: each(runs, (v) => v.one! - v.four!),
              expected: '160 M: perplexity 18.49 and 18.05',
            },
            { about: 'learned sink token: window over 4 + 60', values: each(withToken, gap) },
            {
              about: 'learned sink token, untrained: the same',
              values: each(withToken, (v) => v.untrainedWindow! - v.untrainedFour!),
              expected: '0',
              control: true,
            },
          ],
          note: `${toyNote} One needs to come within 0.02 nats of four, and the window to be 0.05 worse than the ordinary model’s; both are ours. Where the window loses less than 0.01, nothing is shown.`,
        };
      },
    }),
  ],
};
