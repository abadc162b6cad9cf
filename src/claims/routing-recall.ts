import { z } from 'zod';
import { type RoutingOptions, routingTransformer } from '../attention/mechanisms/routing-transformer.ts';
import { additive } from '../attention/places.ts';
import type { Scores } from '../attention/steps.ts';
import { seededRandom, seedFor } from '../random.ts';
import {
  add,
  cast,
  divide,
  iota,
  less,
  log,
  mean,
  multiply,
  pick,
  size,
  slice,
  softmax,
  sum,
  type Tensor,
  type Within,
} from '../tensor/index.ts';
import { type FillerRecallOptions, fillerRecall } from '../train/toys/filler-recall.ts';
import { meanWhere } from '../train/toys/metrics.ts';
import type { Stacked } from '../train/toys/stack.ts';
import { compileValues } from '../train/values.ts';
import { fillerSizes, resized } from './filler-recall.ts';
import { toyExperiment } from './toy-experiment.ts';

const arms = ['full', 'local', 'routing', 'fixed centroids', 'scrambled clusters'] as const;
export type RoutingArm = (typeof arms)[number];

const settingSchema = z.strictObject({ arm: z.enum(arms), ...fillerSizes });
export type RoutingRecallSetting = z.infer<typeof settingSchema>;

/** Heads, and how many of them are local in the arms that route; those come first. */
const [H, local] = [4, 2];
const clusters = 8;

const routing: Readonly<Partial<Record<RoutingArm, RoutingOptions>>> = {
  local: { routingHeads: 0 },
  routing: {},
  'fixed centroids': { centroids: 'frozen' },
  'scrambled clusters': { centroids: 'frozen', assign: 'scrambled' },
};
const routes = (arm: RoutingArm) => arm !== 'full' && arm !== 'local';

function optionsOf(
  { arm, tokens, pairs, joined }: RoutingRecallSetting,
  route: RoutingOptions['route'] = 'whole-text',
): FillerRecallOptions {
  const size = Math.ceil(tokens / clusters);
  const own = routing[arm];
  return {
    ...{ tokens, pairs, joined, far: size, heads: H },
    ...(own
      ? {
          // A block and the one before it are at most `size` tokens.
          mechanism: routingTransformer({
            ...{ clusters, size, localBlock: Math.max(1, size >> 1), routingHeads: H - local, route },
            ...own,
          }),
        }
      : {}),
    ...(routes(arm) ? { figures: routingFigures } : {}),
  };
}

/** Full attention, local heads, and local with routing heads on recall among fillers. */
export const routingRecall = toyExperiment<RoutingRecallSetting>({
  name: 'routing-recall',
  version: 1,
  setting: settingSchema,
  toy: (setting) => ({ toy: resized(fillerRecall(optionsOf(setting)), setting) }),
  async after(setting, { parameters }, { runtime }): Promise<Record<string, number>> {
    if (setting.arm !== 'routing') return {};
    const toy = fillerRecall(optionsOf(setting, 'past'));
    const { accuracy, accuracyFar } = toy.task().metrics!;
    const program = await compileValues(runtime, { accuracy: accuracy!, accuracyFar: accuracyFar! });
    const fed = toy.sample(seededRandom(seedFor(0, 'texts for the past')), setting.batch);
    const found = await program.run(parameters, fed);
    return { accuracyPast: Number(found.accuracy.data[0]), accuracyFarPast: Number(found.accuracyFar.data[0]) };
  },
});

type Row = Tensor<'B' | 'T' | 'S'>;

/** Of the layers' means. coverage: see `coveredMass`. routingLocal, localLocal: divergence between patterns of such heads, in nats. */
export function routingFigures({ patterns, scores }: Stacked): Record<string, Within<string>> {
  const heads = patterns.map((pattern) =>
    Array.from({ length: H }, (_, head) => pick(pick(pattern, 'R', 0), 'G', head) as Row),
  );
  const over = (pairs: readonly (readonly [number, number])[]) =>
    average(heads.flatMap((head) => pairs.map(([a, b]) => divergence(head[a]!, head[b]!))));
  return {
    coverage: average(patterns.map((pattern, layer) => coveredMass(scores[layer]!, pattern))),
    routingLocal: over([
      [0, 2],
      [0, 3],
      [1, 2],
      [1, 3],
    ]),
    localLocal: over([[0, 1]]),
  };
}

const average = (values: readonly Tensor<never>[]): Tensor<never> =>
  divide(
    values.reduce((a, b) => add(a, b)),
    values.length,
  );

/**
 * How much of the softmax attention that routing heads would pay to earlier tokens, from the same scores over all of them, lies on tokens that
 * share a cluster with the query. The token itself, its own best match under shared queries and keys, is left out on both sides.
 */
function coveredMass(scores: Scores, pattern: Scores): Tensor<never> {
  const T = size(scores, 'T');
  const routed = (x: Scores) => slice(x, 'G', local, H);
  const earlier = less(iota('S', T), iota('T', T)) as Tensor<'T' | 'S'>;
  const full = softmax(add(routed(scores), additive(earlier)) as Scores, 'S');
  const inside = multiply(full, cast(less(0, routed(pattern)), 'float32')) as Scores;
  // The first token has none before it.
  return mean(sum(slice(inside, 'T', 1, T), 'S'), ['B', 'G', 'R', 'T']) as Tensor<never>;
}

/** Jensen–Shannon divergence of two heads' rows in nats (at most ln 2), mean over queries to which both give something. */
function divergence(one: Row, other: Row): Tensor<never> {
  const [a, b] = [one, other].map((row) => divide(row, add(sum(row, 'S'), 1e-12) as never) as Row) as [Row, Row];
  const middle = multiply(add(a, b), 0.5);
  const from = (row: Row) =>
    sum(multiply(row, log(divide(add(row, 1e-12), add(middle, 1e-12)))), 'S') as Tensor<'B' | 'T'>;
  const both = multiply(...([one, other].map((row) => cast(less(0, sum(row, 'S')), 'float32')) as [never, never]));
  return meanWhere(multiply(add(from(a), from(b)), 0.5), both as Tensor<'B' | 'T'>, ['B', 'T']);
}
