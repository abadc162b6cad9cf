import { type Claim, type ClaimSize, type Figure, statement, verdictFrom } from '../claim.ts';
import { figure, meanOf, valuesOf } from '../figures.ts';
import { inContextRegressionClaim, type RegressionClaimSetting, testedLengths } from '../in-context-regression.ts';
import type { ToyFigures } from '../toy-experiment.ts';

const [two, one, none] = ['two heads', 'one head', 'labels of noise'] as const;
const arms: Readonly<Record<string, Pick<RegressionClaimSetting, 'heads' | 'labels'>>> = {
  [two]: { heads: 2, labels: 'linear' },
  [one]: { heads: 1, labels: 'linear' },
  [none]: { heads: 2, labels: 'noise' },
};

const settings =
  (...labels: readonly string[]) =>
  (size: ClaimSize): Record<string, RegressionClaimSetting> =>
    Object.fromEntries(
      labels.map((label) => [
        label,
        {
          ...arms[label]!,
          ...(size === 'night'
            ? { steps: 10_000, learningRate: 1e-3, texts: 40_000 }
            : { steps: 2500, learningRate: 4e-3, texts: 4000 }),
        },
      ]),
    );

const smaller =
  'In minutes 2,500 steps at a rate of 0.004 stand for the 10,000 at 0.001, and risks are over 4,000 texts instead of 40,000.';

type Runs = readonly ToyFigures[];
const every = (runs: Runs, holds: (value: (name: string) => number) => boolean) =>
  runs.every((run) => holds((name) => valuesOf([run], name)[0]!));

/** Expected by the card for 20, 40, … examples. */
const lengths = {
  [two]: ['0.372', '0.241', '0.178', '0.147', '0.130'],
  [one]: ['0.577', '0.403', '0.306', '0.238', '0.201'],
  linear: ['0.493', '0.238', '0.86', '6.6', '35'],
};

export const claim: Claim = {
  card: 'in-context-linear-regression',
  title: 'In-context linear regression with softmax heads',
  source: '2503.12734',
  statements: [
    statement({
      name: 'heads-pair-up',
      says: 'Two heads fall into two numbers each and pair up: ω and μ of one sign in a head, opposite signs between them, equal |ω| and Σμ = 0; one head is clearly worse, and labels of noise leave no pair.',
      experiment: inContextRegressionClaim,
      settings: settings(two, one, none),
      judge(runs) {
        const [pair, single, noise] = [runs[two]!, runs[one]!, runs[none]!];
        const least = (name: string) => Math.min(...valuesOf(pair, name));
        return {
          verdict: verdictFrom(
            every(pair, (value) => [1, 2].every((h) => value(`omega${h}`) * value(`mu${h}`) > 0)),
            every(pair, (value) => value('omega1') * value('omega2') < 0),
            every(pair, (value) => Math.abs(Math.abs(value('omega1')) - Math.abs(value('omega2'))) < 0.02),
            every(pair, (value) => value('muTotal') < 0.15),
            meanOf(pair, 'risk40') < 0.27,
            meanOf(single, 'risk40') > 0.37,
            every(noise, (value) => value('omegaSize') <= least('omegaSize') / 4),
            every(noise, (value) => value('muSize') <= least('muSize') / 4),
          ),
          figures: [
            figure('two heads: ω of the first', pair, 'omega1', '±0.174'),
            figure('two heads: ω of the second', pair, 'omega2', '∓0.174'),
            figure('two heads: μ of the first', pair, 'mu1', '±2.50'),
            figure('two heads: μ of the second', pair, 'mu2', '∓2.50'),
            figure('two heads: |μ₁ + μ₂|', pair, 'muTotal', 'below 0.15'),
            figure('two heads: largest |K_hᵀ Q_h| off the diagonal', pair, 'offDiagonal', 'at most 0.01'),
            figure('two heads: largest |O_h V_h| on a covariate', pair, 'covariateWeight', 'at most 0.045'),
            figure('two heads: mean squared error', pair, 'risk40', '0.245, below 0.27'),
            figure('one head: the same', single, 'risk40', '0.405, above 0.37'),
            figure('one head: |ω|', single, 'omegaSize', '0.515'),
            figure('one head: |μ|', single, 'muSize', '1.49'),
            figure('labels of noise (control): mean |ω|', noise, 'omegaSize', 'towards 0', 'control'),
            figure('labels of noise (control): mean |μ|', noise, 'muSize', 'towards 0', 'control'),
          ],
          note: `${smaller} Signs, spread and sum are held in every run. Errors are those of fresh texts with noisy answers. “No pair” counts as mean |ω| and mean |μ| of at most a quarter of the pair’s; the card names no number.`,
        };
      },
    }),
    statement({
      name: 'one-debiased-step',
      says: 'What two heads compute is one debiased step of gradient descent: its risk is theirs, ridge regression’s is lower, that of one head higher.',
      experiment: inContextRegressionClaim,
      settings: settings(two, one),
      judge(runs) {
        const [pair, single] = [runs[two]!, runs[one]!];
        const mean = (name: string) => meanOf(pair, name);
        return {
          verdict: verdictFrom(
            Math.abs(mean('risk40') - mean('debiased')) <= 0.01,
            Math.abs(mean('risk40') - mean('reduced')) <= 0.01,
            mean('ridge') <= mean('risk40') - 0.1,
            meanOf(single, 'risk40') >= mean('risk40') + 0.1,
          ),
          figures: [
            figure('two heads: mean squared error', pair, 'risk40', '0.241'),
            figure('two heads, each taken for its ω and μ: the same', pair, 'reduced'),
            figure('a debiased step of gradient descent: the same', pair, 'debiased', '0.241'),
            figure('a step of gradient descent: the same', pair, 'descent', '0.238'),
            figure('ridge regression, the Bayes predictor: the same', pair, 'ridge', '0.116'),
            figure('one head (control): the same', single, 'risk40', '0.403', 'control'),
          ],
          note: `${smaller} All on the same texts. “Theirs” counts as within 0.01, higher and lower as 0.1; the card gives the risks.`,
        };
      },
    }),
    statement({
      name: 'longer-texts',
      says: 'Softmax heads trained with 40 examples get better with 80, 160 and 320, two of them more than one; linear attention with its fixed 1/40 fails.',
      experiment: inContextRegressionClaim,
      settings: settings(two, one),
      judge(runs) {
        const [pair, single] = [runs[two]!, runs[one]!];
        const falls = (of: Runs) =>
          testedLengths
            .slice(1)
            .every((length, i) => meanOf(of, `risk${length}`) < meanOf(of, `risk${testedLengths[i]!}`));
        const figures = (label: string, of: Runs, name: string, expected: readonly string[], control?: 'control') =>
          testedLengths.map(
            (length, i): Figure =>
              figure(`${label}: mean squared error, ${length} examples`, of, `${name}${length}`, expected[i]!, control),
          );
        return {
          verdict: verdictFrom(
            falls(pair),
            falls(single),
            testedLengths.every((length) => meanOf(pair, `risk${length}`) < meanOf(single, `risk${length}`)),
            meanOf(pair, 'linear80') > 2 * meanOf(pair, 'linear40'),
            meanOf(pair, 'linear160') > 1.1 && meanOf(pair, 'linear320') > 1.1,
          ),
          figures: [
            ...figures(two, pair, 'risk', lengths[two]),
            ...figures(one, single, 'risk', lengths[one]),
            ...figures('linear attention, 1/40 (control)', pair, 'linear', lengths.linear, 'control'),
          ],
          note: `${smaller} Linear attention is the step that is best at 40 examples, not trained. It fails where its error is twice that at 40 examples with 80, and above the 1.1 of answering 0 with 160 and 320.`,
        };
      },
    }),
  ],
};
