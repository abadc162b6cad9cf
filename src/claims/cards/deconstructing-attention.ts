import { type Claim, type ClaimSize, statement, verdictFrom } from '../claim.ts';
import { type DeconstructedSetting, type DeconstructedVariant, deconstructedToys } from '../deconstructed-toys.ts';
import { figure, meanOf } from '../figures.ts';
import { defaultModelName, judgeMeasured } from '../model-at-hand-node.ts';
import { sinkIndicator } from '../sink-indicator-node.ts';

const names: Readonly<Record<DeconstructedVariant, string>> = {
  standard: 'standard',
  embeddings: 'StaticEmbQK',
  taylor: 'Approximate',
  'query-independent': 'Non-approximate',
  random: 'RndEmbQK',
  'fixed text': 'FixedSeqQK',
  mlp: 'MLP',
};
const uniform = Object.keys(names) as DeconstructedVariant[];
const hybrids = ['query-independent', 'random', 'mlp'] as const;
const hybrid = (variant: DeconstructedVariant) => `hybrid ${variant}`;

const settingsOf = (toy: DeconstructedSetting['toy'], size: ClaimSize) => {
  const share = size === 'night' ? 1 : 0.2;
  const of = (variant: DeconstructedVariant, plan: DeconstructedSetting['plan']) => ({ toy, variant, plan, share });
  return {
    ...Object.fromEntries(uniform.map((variant) => [variant, of(variant, 'uniform')])),
    ...(toy === 'recall' ? Object.fromEntries(hybrids.map((variant) => [hybrid(variant), of(variant, 'even')])) : {}),
  };
};

export const claim: Claim = {
  card: 'deconstructing-attention',
  title: 'Deconstructed attention',
  source: '2510.11602',
  statements: [
    statement({
      name: 'recall-order',
      says: 'Associative recall needs maps that depend on the text: standard, static and Taylor attention solve it, query-independent weights half of it, random or fixed maps a quarter, no mixing nothing; with one standard layer behind them those that fail alone succeed.',
      experiment: deconstructedToys,
      settings: (size) => settingsOf('recall', size),
      judge: (runs) => {
        const accuracy = (label: string) => meanOf(runs[label]!, 'accuracy');
        const solve = Math.min(...(['standard', 'embeddings', 'taylor'] as const).map(accuracy));
        const fixed = (['random', 'fixed text'] as const).map(accuracy);
        const measured = ['1.00', '1.00', '1.00', '0.54', '0.25', '0.24', '0.085 (chance 0.083)'];
        return {
          verdict: verdictFrom(
            solve >= 0.95,
            solve > accuracy('query-independent') && accuracy('query-independent') > Math.max(...fixed),
            fixed.every((value) => value <= 0.4 && value > accuracy('mlp')),
            accuracy('mlp') <= 0.12,
            ...hybrids.map((variant) => accuracy(hybrid(variant)) >= 0.95),
          ),
          figures: [
            ...uniform.map((variant, i) =>
              figure(
                `${names[variant]} in both layers: accuracy`,
                ...([runs[variant]!, 'accuracy', measured[i]] as const),
                variant === 'mlp' ? 'control' : undefined,
              ),
            ),
            ...hybrids.map((variant) =>
              figure(
                `${names[variant]}, then a standard layer: accuracy`,
                runs[hybrid(variant)]!,
                'accuracy',
                '1.00; at least 0.95',
              ),
            ),
          ],
          note: 'In minutes a fifth of the 2,500 steps.',
        };
      },
    }),
    statement({
      name: 'positions-suffice',
      says: 'Where positions alone decide (control of the former), random and fixed maps are as good as standard attention; only no mixing fails.',
      experiment: deconstructedToys,
      settings: (size) => settingsOf('backcopy', size),
      judge: (runs) => {
        const loss = (label: string) => meanOf(runs[label]!, 'triggerLoss');
        const like = ['embeddings', 'taylor', 'random', 'fixed text'] as const;
        const measured = (variant: DeconstructedVariant) =>
          ({ mlp: '2.28', 'query-independent': '0.018' })[variant as string] ?? '0.008';
        return {
          verdict: verdictFrom(
            loss('standard') <= 0.1,
            ...like.map((variant) => Math.abs(loss(variant) - loss('standard')) <= 0.05),
            loss('mlp') >= 1,
          ),
          figures: uniform.map((variant) =>
            figure(
              `${names[variant]}: loss after triggers, nats`,
              ...([runs[variant]!, 'triggerLoss', measured(variant)] as const),
              variant === 'mlp' ? undefined : 'control',
            ),
          ),
          note: 'The card says that fixed maps must not be told from standard ones, here: within 0.05 nats; and the steps are ours: 2,500, in minutes a fifth of them.',
        };
      },
    }),
    statement({
      name: 'sink-indicator',
      says: 'The sink indicator of a trained model is far above 1/L in its middle layers; on a randomly initialised copy it is what even attention gives.',
      experiment: sinkIndicator,
      settings: (size) => ({
        model: { model: defaultModelName, texts: size === 'night' ? 50 : 5, tokens: size === 'night' ? 256 : 64 },
      }),
      judge: ({ model }) =>
        judgeMeasured(model!, (runs) => {
          const of = (name: string) => runs.map(({ values }) => values[name]!);
          const mean = (name: string) => of(name).reduce((a, b) => a + b, 0) / runs.length;
          return {
            verdict: verdictFrom(
              mean('trained') >= 10 * mean('share'),
              Math.abs(mean('fresh') / mean('uniform') - 1) <= 0.1,
            ),
            figures: [
              {
                about: 'mean attention to the first token, middle third of layers',
                values: of('trained'),
                expected: 'far above 1/L',
              },
              {
                about: 'random initialisation: the same',
                values: of('fresh'),
                expected: 'mean of 1/i',
                control: true as const,
              },
              { about: '1/L', values: of('share') },
              { about: 'mean of 1/i', values: of('uniform') },
            ],
            note: 'Far above means at least ten times, as even attention means within a tenth. In minutes 5 texts of 64 tokens, in a night 50 of 256.',
          };
        }),
    }),
  ],
};
