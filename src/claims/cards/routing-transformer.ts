import { type Claim, type ClaimSize, statement, verdictFrom } from '../claim.ts';
import { figure, meanOf } from '../figures.ts';
import { fillerSize, smallerFiller } from '../filler-recall.ts';
import { type RoutingArm, routingRecall } from '../routing-recall.ts';

const [all, far] = ['accuracy', 'accuracyFar'] as const;

/** Of a run in minutes. */
const steps = 500;

const settings =
  (...arms: readonly RoutingArm[]) =>
  (size: ClaimSize) =>
    Object.fromEntries(arms.map((arm) => [arm, { arm, ...fillerSize(size, steps) }]));

const untrained = (name: string) => `${name}, untrained`;

/** Runs with what they had before the first update among their figures. */
const withUntrained = <
  R extends { readonly values: Record<string, number>; readonly untrained: Record<string, number> },
>(
  runs: readonly R[],
): R[] =>
  runs.map((run) => ({
    ...run,
    values: {
      ...run.values,
      ...Object.fromEntries(Object.entries(run.untrained).map(([name, value]) => [untrained(name), value])),
    },
  }));

export const claim: Claim = {
  card: 'routing-transformer',
  title: 'Routing Transformer',
  source: '2003.05997',
  statements: [
    statement({
      name: 'recall',
      says: 'Recall among fillers: two local and two routing heads answer as well as full attention; local heads alone, and routing heads whose clusters are scrambled, lose what is far.',
      experiment: routingRecall,
      settings: settings('full', 'local', 'routing', 'fixed centroids', 'scrambled clusters'),
      judge: (runs) => {
        const [routed, near, scrambled] = (['routing', 'local', 'scrambled clusters'] as const).map((arm) =>
          meanOf(runs[arm]!, far),
        ) as [number, number, number];
        return {
          verdict: verdictFrom(
            meanOf(runs.full!, all) > 0.9,
            meanOf(runs.routing!, all) > 0.9,
            near <= 0.2 && routed >= near + 0.3,
            scrambled <= near + 0.2,
          ),
          figures: [
            figure('full attention: share of questions answered right', runs.full!, all, 'above 0.9 (expectation)'),
            figure('two local and two routing heads: the same', runs.routing!, all, 'above 0.9 (expectation)'),
            figure('the same, of those more than n/8 tokens back', runs.routing!, far),
            figure('the same, routed by the past alone', runs.routing!, 'accuracyFarPast', 'slightly different'),
            figure(
              'local heads alone, n/8 tokens: far back',
              runs.local!,
              far,
              'chance, 0.03 (expectation)',
              'control',
            ),
            figure(
              'scrambled clusters: far back',
              runs['scrambled clusters']!,
              far,
              'as local (expectation)',
              'control',
            ),
            figure('random centroids that stay: far back', runs['fixed centroids']!, far, 'between (expectation)'),
          ],
          note: `${smallerFiller(steps)} Clusters are of the whole text while it learns, as published. The card permutes clusters at each step; here they follow one scrambled order of places, which tells as little, as pairs stand at random places. Eight such clusters of n/8 still bring a question and its pair together by chance in one of eight heads.`,
        };
      },
    }),
    statement({
      name: 'clusters-follow-attention',
      says: 'Clusters come to hold what attention would look at: the mass of full attention on pairs of one cluster rises while it learns and lies above w/n.',
      experiment: routingRecall,
      settings: settings('routing', 'fixed centroids', 'scrambled clusters'),
      judge: (given) => {
        const runs = Object.fromEntries(Object.entries(given).map(([arm, of]) => [arm, withUntrained(of)]));
        const covered = meanOf(runs.routing!, 'coverage');
        return {
          verdict: verdictFrom(covered > meanOf(runs.routing!, untrained('coverage')), covered > 1 / 8),
          figures: [
            figure('share of the mass inside clusters, at the end', runs.routing!, 'coverage', 'above w/n = 0.125'),
            figure('the same, before it learns', runs.routing!, untrained('coverage'), 'less'),
            figure('random centroids that stay', runs['fixed centroids']!, 'coverage'),
            figure('scrambled clusters', runs['scrambled clusters']!, 'coverage', undefined, 'control'),
          ],
          note: `${smallerFiller(steps)} Full attention is that of the routing heads’ own scores over all earlier tokens; a token’s attention to itself, its best match under shared queries and keys, is left out.`,
        };
      },
    }),
    statement({
      name: 'heads-differ',
      says: 'Routing heads look elsewhere than local ones: the divergence between their patterns is clearly larger than between two local heads.',
      experiment: routingRecall,
      settings: settings('routing'),
      judge: ({ routing: runs }) => ({
        verdict: verdictFrom(meanOf(runs!, 'routingLocal') >= 1.5 * meanOf(runs!, 'localLocal')),
        figures: [
          figure(
            'routing and local heads: Jensen–Shannon divergence, nats (at most 0.69)',
            runs!,
            'routingLocal',
            'clearly larger',
          ),
          figure('two local heads: the same', runs!, 'localLocal', undefined, 'control'),
        ],
        note: `${smallerFiller(steps)} “Clearly larger” counts as half as much again; the card names no number.`,
      }),
    }),
  ],
};
