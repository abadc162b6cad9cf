import { type Claim, type Figure, statement, verdictFrom } from '../claim.ts';
import { figure, meanOf } from '../figures.ts';
import { lightningText, lightningTextSettings, smallerLightningText } from '../lightning-text.ts';
import { type LightningTime, type LightningTimeSetting, lightningTime } from '../lightning-time.ts';

const middle = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

/** Growth from each length to the next, of the labels `form, tokens` in the order of their lengths. */
function growths(
  runs: Readonly<Record<string, readonly LightningTime[]>>,
  form: LightningTimeSetting['form'],
  of: (run: LightningTime) => number,
): { readonly label: string; readonly values: number[] }[] {
  const lengths = Object.keys(runs)
    .filter((label) => label.startsWith(`${form}, `))
    .map((label) => Number(label.slice(form.length + 2)))
    .sort((a, b) => a - b);
  return lengths.slice(1).map((tokens, i) => {
    const [shorter, longer] = [lengths[i]!, tokens].map((n) => runs[`${form}, ${n}`]!.map(of)) as [number[], number[]];
    return { label: `${lengths[i]} to ${tokens} tokens`, values: longer.map((value, seed) => value / shorter[seed]!) };
  });
}

export const claim: Claim = {
  card: 'lightning-attention',
  title: 'Lightning attention',
  source: '2405.17381',
  statements: [
    statement({
      name: 'as-good-as-softmax',
      says: 'A small TransNormer ends within 0.1 nats of a softmax transformer with as many parameters, and learns without warm-up.',
      experiment: lightningText,
      settings: lightningTextSettings,
      judge: ({ TNL, softmax }) => ({
        verdict: verdictFrom(
          meanOf(TNL!, 'heldOutLoss') <= meanOf(softmax!, 'heldOutLoss') + 0.1,
          TNL!.every(({ values, untrained }) => values.loss! <= untrained.loss! - 1),
        ),
        figures: [
          figure(
            'TransNormer: held-out loss, nats a character',
            TNL!,
            'heldOutLoss',
            'within 0.1 of softmax (expectation)',
          ),
          figure('softmax twin: the same', softmax!, 'heldOutLoss'),
          figure('TransNormer: loss on the text it learns', TNL!, 'loss'),
          figure('softmax twin: the same', softmax!, 'loss'),
          gradients('TransNormer', TNL!),
          gradients('softmax twin', softmax!),
          { about: 'TransNormer: parameters', values: TNL!.map(({ parameters }) => parameters) },
          {
            about: 'softmax twin: parameters',
            values: softmax!.map(({ parameters }) => parameters),
            expected: 'equal',
          },
        ],
        note: `${smallerLightningText} Stable counts as every seed’s loss falling by a nat or more from the first step’s.`,
      }),
    }),
    statement({
      name: 'longer-texts',
      says: 'At four times the length it was trained on, its loss stays flat, within 0.05 nats.',
      experiment: lightningText,
      settings: lightningTextSettings,
      judge: ({ TNL, softmax }) => ({
        verdict: verdictFrom(Math.abs(meanOf(TNL!, 'drift')) <= 0.05),
        figures: [
          figure('TransNormer: loss at 4 T less that at T, nats', TNL!, 'drift', 'within 0.05 (expectation)'),
          figure('TransNormer: loss at 4 T', TNL!, 'longLoss'),
          figure('softmax twin with RoPE: loss at 4 T less that at T', softmax!, 'drift', undefined, 'control'),
        ],
        note: `${smallerLightningText} The same characters are predicted at both lengths.`,
      }),
    }),
    statement({
      name: 'no-sink',
      says: 'Nothing rests on the first token beyond what the decay leaves there, while the softmax twin has a clear sink.',
      experiment: lightningText,
      settings: lightningTextSettings,
      judge: ({ TNL, softmax }) => ({
        verdict: verdictFrom(meanOf(TNL!, 'firstExcess') < 0.05, meanOf(softmax!, 'strongestExcess') >= 0.3),
        figures: [
          figure(
            'TransNormer: share |A| / Σ|A| of BOS beyond the decay’s, mean of heads',
            TNL!,
            'firstExcess',
            'below 0.05 (expectation)',
          ),
          figure('the same, strongest head', TNL!, 'strongestExcess'),
          figure(
            'softmax twin (control): share of BOS beyond uniform, mean of heads',
            softmax!,
            'firstExcess',
            undefined,
            'control',
          ),
          figure('the same, strongest head', softmax!, 'strongestExcess', 'a clear sink (expectation)', 'control'),
        ],
        note: `${smallerLightningText} A clear sink counts as a head that gives BOS 0.3 more than uniform attention would; the card names no number. So few steps may not be enough for one.`,
      }),
    }),
    statement({
      name: 'linear-time',
      says: 'In blocks the time about doubles with the text (1.7 to 2.4 times), as a masked quadratic product it grows fourfold; blocks win from 1,000 to 2,000 tokens on.',
      experiment: lightningTime,
      settings: (size) =>
        Object.fromEntries(
          (['blocks', 'quadratic'] as const).flatMap((form) =>
            (size === 'night' ? [1024, 2048, 4096, 8192] : [1024, 2048, 4096]).map((tokens) => [
              `${form}, ${tokens}`,
              { form, tokens, runs: size === 'night' ? 21 : 7 } as const,
            ]),
          ),
        ),
      judge(runs) {
        const counted = (form: LightningTimeSetting['form']) => growths(runs, form, ({ multiplyAdds }) => multiplyAdds);
        const timed = (form: LightningTimeSetting['form']) => growths(runs, form, ({ milliseconds }) => milliseconds);
        const within = (least: number, most: number) => (step: { readonly values: readonly number[] }) =>
          middle(step.values) >= least && middle(step.values) <= most;
        const at2048 = runs['blocks, 2048']!.map(
          ({ milliseconds }, seed) => milliseconds / runs['quadratic, 2048']![seed]!.milliseconds,
        );
        const shown = (about: string, steps: ReturnType<typeof growths>, expected: string, control?: true): Figure[] =>
          steps.map(({ label, values }) => ({
            ...{ about: `${about}, ${label}`, values, expected },
            ...(control ? { control } : {}),
          }));
        return {
          verdict: verdictFrom(
            counted('blocks').every(within(1.7, 2.4)) && counted('quadratic').every(within(3.9, 4.1)),
            timed('blocks').every(within(1.2, 3)),
            timed('quadratic').every(within(2.5, 6)),
            middle(at2048) < 1,
          ),
          figures: [
            ...shown('blocks: multiply-adds grow', counted('blocks'), '1.7 to 2.4'),
            ...shown('quadratic: multiply-adds grow', counted('quadratic'), '4', true),
            ...shown('blocks: time grows', timed('blocks'), 'about 2'),
            ...shown('quadratic: time grows', timed('quadratic'), 'about 4', true),
            {
              about: 'time of blocks over that of the quadratic product at 2,048 tokens',
              values: at2048,
              expected: 'below 1',
            },
          ],
          note: 'One head of width 64, blocks of 128, medians on one thread. Counted work is held to the card’s range, times to a wider one (1.2 to 3, and 2.5 to 6), as other work on the machine disturbs them. In minutes up to 4,096 tokens.',
        };
      },
    }),
  ],
};

function gradients(
  name: string,
  runs: readonly { readonly gradientNorm: { readonly mean: number; readonly largest: number } }[],
): Figure {
  return {
    about: `${name}: largest gradient norm over its mean`,
    values: runs.map(({ gradientNorm: { largest, mean } }) => largest / mean),
  };
}
