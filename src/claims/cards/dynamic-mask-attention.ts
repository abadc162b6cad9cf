import { type Claim, type ClaimSize, statement, verdictFrom } from '../claim.ts';
import { type DynamicMaskArm, dynamicMaskRecall } from '../dynamic-mask-recall.ts';
import { figure, meanOf } from '../figures.ts';
import { fillerSize, smallerFiller } from '../filler-recall.ts';

const [all, far] = ['accuracy', 'accuracyFar'] as const;

/** Of a run in minutes. */
const steps = 250;

const settings =
  (...arms: readonly DynamicMaskArm[]) =>
  (size: ClaimSize) =>
    Object.fromEntries(arms.map((arm) => [arm, { arm, ...fillerSize(size, steps) }]));

export const claim: Claim = {
  card: 'dynamic-mask-attention',
  title: 'Dynamic mask attention',
  source: '2508.02124',
  statements: [
    statement({
      name: 'recall',
      says: 'Recall among fillers: a quarter of the keys, chosen by learned scores, answers as well as all of them; a window of as many, a random choice of as many, and scores that stay equal lose what is far.',
      experiment: dynamicMaskRecall,
      settings: settings('dense', 'dynamic mask', 'sliding window', 'random order', 'A frozen'),
      judge: (runs) => {
        const learned = meanOf(runs['dynamic mask']!, far);
        return {
          verdict: verdictFrom(
            meanOf(runs.dense!, all) > 0.95,
            meanOf(runs['dynamic mask']!, all) > 0.95,
            meanOf(runs['sliding window']!, far) <= 0.2,
            ...(['random order', 'A frozen'] as const).map((arm) => meanOf(runs[arm]!, far) <= learned - 0.3),
          ),
          figures: [
            figure('all keys: share of questions answered right', runs.dense!, all, 'above 0.95 (expectation)'),
            figure('dynamic mask, n/4 keys: the same', runs['dynamic mask']!, all, 'above 0.95 (expectation)'),
            figure('dynamic mask: of those more than n/4 tokens back', runs['dynamic mask']!, far),
            figure(
              'window of n/4: the same',
              runs['sliding window']!,
              far,
              'near chance, 0.03 (expectation)',
              'control',
            ),
            figure('n/4 keys by a random order: the same', runs['random order']!, far, 'lost (expectation)', 'control'),
            figure('A frozen at 0: the same', runs['A frozen']!, far, 'lost (expectation)', 'control'),
          ],
          note: `${smallerFiller(steps)} Far back is beyond w = n/4, which two layers of a window can still bridge in two steps up to n/2. Scores that stay equal keep the latest keys: the same model as the window. “Lost” counts as 0.3 below the learned choice; the card names no number.`,
        };
      },
    }),
    statement({
      name: 'scores-find-facts',
      says: 'The learned scores are higher on keys and values than on fillers: an area under the curve above 0.9.',
      experiment: dynamicMaskRecall,
      settings: settings('dynamic mask', 'random order'),
      judge: (runs) => ({
        verdict: verdictFrom(meanOf(runs['dynamic mask']!, 'scoreArea') > 0.9),
        figures: [
          figure('area under the curve, mean over layers and heads', runs['dynamic mask']!, 'scoreArea', 'above 0.9'),
          figure('the same in the first layer', runs['dynamic mask']!, 'firstLayerScoreArea'),
          figure('the same in the best head', runs['dynamic mask']!, 'bestScoreArea'),
          figure(
            'scores that are added but choose nothing: mean over layers and heads',
            ...([runs['random order']!, 'scoreArea', undefined, 'control'] as const),
          ),
        ],
        note: `${smallerFiller(steps)} The keys that ask count as facts too. A head that has nothing to choose may keep any scores, so the mean is the strict reading.`,
      }),
    }),
  ],
};
