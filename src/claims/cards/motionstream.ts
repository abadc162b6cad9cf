import { type Claim, type ClaimSize, statement, verdictFrom } from '../claim.ts';
import { figure, meanOf } from '../figures.ts';
import { type MotionStreamSetting, motionStreamClaim } from '../motion-stream.ts';

type Change = Partial<Pick<MotionStreamSetting, 'sinks' | 'window' | 'rollout' | 'told'>>;

/** One sink, one chunk of window, own rollouts, identity in the first frame only, where nothing else is said. */
const setting = (size: ClaimSize, change: Change = {}): MotionStreamSetting => ({
  ...{ sinks: 1, window: 1, rollout: 'own', told: false, trained: 5 },
  ...change,
  ...(size === 'night' ? { steps: 8000, chunks: 300, clips: 64 } : { steps: 1500, chunks: 100, clips: 32 }),
});
const arms = (changes: Readonly<Record<string, Change>>) => (size: ClaimSize) =>
  Object.fromEntries(Object.entries(changes).map(([label, change]) => [label, setting(size, change)]));

const small =
  'A toy of 22,000 parameters: strips of eight points in two colours instead of video, three frames a chunk, training on five chunks by squared error instead of distribution matching; in minutes 1,500 steps and 32 streams of 100 chunks, at night 8,000 steps and 64 of 300. Distances are in units of what knowing nothing of the identity costs: about 1 (root of the mean square; 0.94 in the mean).';

const late = 'identityLate';

export const claim: Claim = {
  card: 'motionstream',
  title: 'MotionStream',
  source: '2511.01266',
  statements: [
    statement({
      name: 'sink-stops-drift',
      says: 'A stream that keeps its first chunk keeps what it shows; with a rolling window alone that drifts to chance, while motion is followed as before.',
      experiment: motionStreamClaim,
      settings: arms({ s1w1: {}, s0w1: { sinks: 0 }, s0w3: { sinks: 0, window: 3 } }),
      judge: (runs) => {
        const [sink, none, wide] = [runs.s1w1!, runs.s0w1!, runs.s0w3!];
        const far = meanOf(none, late);
        return {
          verdict: verdictFrom(
            meanOf(sink, late) <= 1.25 * meanOf(sink, 'identityEarly') + 0.05,
            far >= 0.75 && far >= 3 * meanOf(sink, late),
            Math.abs(meanOf(none, 'controlLate') - meanOf(sink, 'controlLate')) <= 0.1,
          ),
          figures: [
            figure('s1w1: distance from the identity, chunks 6–10', sink, 'identityEarly'),
            figure('s1w1: the same, last ten chunks', sink, late, 'flat (expectation)'),
            figure('s0w1: chunks 6–10', none, 'identityEarly'),
            figure('s0w1: last ten chunks', none, late, 'near 1, chance (expectation)'),
            figure('s0w3: chunks 6–10', wide, 'identityEarly'),
            figure('s0w3: last ten chunks', wide, late, 'between, drifting later (expectation)'),
            figure('s1w1: distance from the commanded place, last ten chunks', sink, 'controlLate'),
            figure('s0w1: the same', none, 'controlLate', 'similar (expectation)'),
            figure('s1w1 untrained (control): distance from the identity', sink, 'untrainedLate', undefined, 'control'),
            figure('s0w1 untrained (control): the same', none, 'untrainedLate', 'no ordering', 'control'),
          ],
          note: `${small} Flat counts as no more than a quarter and 0.05 above chunks 6–10; chance as 0.75 and three times the distance with a sink; similar as 0.1 on a strip of length 2, frames weighed by the energy of the blob, which has no place where it has faded. The card’s window of six chunks would not roll in training on five; here it is three, reported and not judged.`,
        };
      },
    }),
    statement({
      name: 'told-needs-no-sink',
      says: 'Negative control: where every frame is told the identity, a sink makes no difference.',
      experiment: motionStreamClaim,
      settings: arms({ 's1w1, told': { told: true }, 's0w1, told': { sinks: 0, told: true } }),
      judge: (runs) => {
        const [sink, none] = [runs['s1w1, told']!, runs['s0w1, told']!];
        return {
          verdict: verdictFrom(Math.abs(meanOf(sink, late) - meanOf(none, late)) <= 0.1 && meanOf(none, late) <= 0.4),
          figures: [
            figure('s1w1, told: distance from the identity, last ten chunks', sink, late, undefined, 'control'),
            figure('s0w1, told: the same', none, late, 'the same (expectation)', 'control'),
          ],
          note: `${small} The same counts as 0.1, both far from chance (0.4).`,
        };
      },
    }),
    statement({
      name: 'own-rollout',
      says: 'Trained on what it made itself, a model errs less beyond the length of its training than one trained on clean chunks of the clip.',
      experiment: motionStreamClaim,
      settings: arms({
        own: {},
        true: { rollout: 'true' },
        's0w1, own': { sinks: 0 },
        's0w1, true': { sinks: 0, rollout: 'true' },
      }),
      judge: (runs) => {
        const [own, truth] = [runs.own!, runs.true!];
        return {
          verdict: verdictFrom(meanOf(own, late) <= 0.8 * meanOf(truth, late)),
          figures: [
            figure('own rollouts: distance from the identity, chunks of training', own, 'identityTrained'),
            figure('own rollouts: last ten chunks', own, late, 'lower (expectation)'),
            figure('clean context (control): chunks of training', truth, 'identityTrained', undefined, 'control'),
            figure('clean context (control): last ten chunks', truth, late, undefined, 'control'),
            figure('no sink, own rollouts: chunks of training', runs['s0w1, own']!, 'identityTrained'),
            figure('no sink, own rollouts: last ten chunks', runs['s0w1, own']!, late),
            figure('no sink, clean context: chunks of training', runs['s0w1, true']!, 'identityTrained'),
            figure('no sink, clean context: last ten chunks', runs['s0w1, true']!, late),
          ],
          note: `${small} Judged with one sink and a window of one, as the card has it; without a sink reported. Lower counts as a fifth.`,
        };
      },
    }),
    statement({
      name: 'sink-is-memory',
      says: 'The sink is remembered content: with the sink of another clip the stream shows that clip’s identity. Some heads look at it far more than their share.',
      experiment: motionStreamClaim,
      settings: arms({ s1w1: {} }),
      judge: (runs) => {
        const sink = runs.s1w1!;
        return {
          verdict: verdictFrom(
            meanOf(sink, 'nextWithSinkOfNext') <= 0.5 * meanOf(sink, 'ownWithSinkOfNext'),
            meanOf(sink, 'sinkHighest') >= 0.5,
          ),
          figures: [
            figure(
              'with the sink of another clip: distance from that clip’s identity',
              sink,
              'nextWithSinkOfNext',
              'small',
            ),
            figure('the same: distance from its own', sink, 'ownWithSinkOfNext', 'large'),
            figure('attention on the sink, highest head', sink, 'sinkHighest', 'far above 1/3 (expectation)'),
            figure('attention on the sink, mean of heads', sink, 'sinkMean'),
            figure(
              'values of the sink set to zero (control, not judged): distance from its own identity',
              ...([sink, 'lateWithoutSinkValues', undefined, 'control'] as const),
            ),
          ],
          note: `${small} Sinks are exchanged after the first chunk. Far above counts as 0.5, uniform being 1/3. This sink is content, and says nothing of sinks that take up attention for nothing.`,
        };
      },
    }),
  ],
};
