import { type Claim, statement, verdictFrom } from '../claim.ts';
import { atTriggers, elsewhere, figure, meanOf } from '../figures.ts';
import { mechanismComparison } from '../mechanisms/experiment.ts';

const variants = {
  softmax: 'softmax',
  'head-wise': 'gated: sdpa-output, head-wise',
  'element-wise': 'gated: sdpa-output, element-wise',
  value: 'gated: value, element-wise',
  'NS-sigmoid': 'gated: sdpa-output, element-wise, multiplicative ns-sigmoid',
  'input-independent': 'gated: sdpa-output, element-wise, input-independent',
} as const;

export const claim: Claim = {
  card: 'gated-attention',
  title: 'Gated attention',
  source: '2505.06708',
  statements: [
    statement({
      name: 'sink-gone',
      says: 'A gate on the head output that depends on the query and can reach zero removes the sink; a value gate, one that cannot reach zero, and one that depends on nothing keep it.',
      experiment: mechanismComparison,
      settings: (size) =>
        Object.fromEntries(
          Object.entries(variants).map(([label, mechanism]) => [
            label,
            { toy: 'bigram-backcopy', mechanism, share: size === 'night' ? 1 : 0.4 } as const,
          ]),
        ),
      judge: (runs) => ({
        verdict: verdictFrom(
          meanOf(runs.softmax!, elsewhere) >= 0.5,
          meanOf(runs['head-wise']!, elsewhere) <= 0.15,
          meanOf(runs['element-wise']!, elsewhere) <= 0.15,
          ...(['value', 'NS-sigmoid', 'input-independent'] as const).map(
            (label) => meanOf(runs[label]!, elsewhere) >= 0.3,
          ),
          meanOf(runs['head-wise']!, 'gateAtTriggers') >= 3 * meanOf(runs['head-wise']!, 'gateElsewhere'),
        ),
        figures: [
          figure('softmax: attention to BOS, elsewhere', runs.softmax!, elsewhere, '0.86'),
          figure('head-wise gate: the same', runs['head-wise']!, elsewhere, '0.000'),
          figure('element-wise gate: the same', runs['element-wise']!, elsewhere, '0.063'),
          figure('value gate: the same', runs.value!, elsewhere, '0.77'),
          figure('NS-sigmoid (control): the same', runs['NS-sigmoid']!, elsewhere, '0.49', 'control'),
          figure('input-independent (control): the same', runs['input-independent']!, elsewhere, '0.56', 'control'),
          figure('softmax: attention to BOS, at triggers', runs.softmax!, atTriggers, 'at most 0.02'),
          figure('head-wise gate: mean gate, at triggers', runs['head-wise']!, 'gateAtTriggers', '0.998'),
          figure('head-wise gate: mean gate, elsewhere', runs['head-wise']!, 'gateElsewhere', '0.033'),
          figure('head-wise gate: loss after triggers, nats', runs['head-wise']!, 'triggerLoss', '0.058'),
        ],
      }),
    }),
  ],
};
