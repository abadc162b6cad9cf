import { linear } from '../../layers/linear.ts';
import {
  add,
  concat,
  divide,
  dot,
  expand,
  mean,
  multiply,
  power,
  select,
  size,
  slice,
  softmax,
  sqrt,
  stopGradient,
  subtract,
  type Tensor,
  weight,
} from '../../tensor/index.ts';
import { attention } from '../attention.ts';
import type { AttentionLayer } from '../layer.ts';
import type { MechanismSite } from '../mechanism.ts';
import { additive, causalMask, type Places } from '../places.ts';
import { rotate } from '../positions/rope.ts';
import type { AttentionSteps, Keys, Queries, Scores } from '../steps.ts';
import { type CentroidOptions, centroidsOf, learnCentroids, type Routed } from './centroids.ts';
import {
  type ClusterOptions,
  clusterPattern,
  localMask,
  type Nearness,
  pastClusters,
  wholeTextClusters,
} from './routing.ts';
import { scrambledOrder } from './scrambled-order.ts';

export interface RoutingSettings extends CentroidOptions, ClusterOptions {
  readonly size: number;
  readonly localBlock: number;
  readonly route: 'whole-text' | 'past';
  readonly assign: 'content' | 'scrambled';
}

/** LayerNorm over D without weight or bias: norm √D. */
function unitNorm<A extends string>(x: Tensor<A | 'D'>): Tensor<A | 'D'> {
  const whole = x as unknown as Tensor<'D'>;
  const centred = subtract(whole, mean(whole, 'D'));
  return divide(centred, sqrt(add(mean(power(centred, 2), 'D'), 1e-6))) as unknown as Tensor<A | 'D'>;
}

/** Local heads first, then routing heads, along G with R = 1. */
export function routingLayer(site: MechanismSite, settings: RoutingSettings): AttentionLayer {
  const { at, sizes, position } = site;
  const { H, D, M } = sizes;
  const local = H - settings.heads;
  const apart = <A extends string>(x: Tensor<A | 'G'>) => {
    const part = (from: number, to: number) =>
      (to > from ? slice(x as Tensor<'G'>, 'G', from, to) : undefined) as Tensor<A | 'G'> | undefined;
    return { local: part(0, local), routed: part(local, H) };
  };
  const joined = <A extends string>(...parts: (Tensor<A | 'G'> | undefined)[]) =>
    concat(parts.filter((part) => part !== undefined) as unknown as Tensor<'G'>[], 'G') as unknown as Tensor<A | 'G'>;

  const query = weight(at('self_attn.q_proj.weight'), { G: H, D, M });
  const project = <A extends string>(x: Tensor<A | 'M'>, by: Tensor<'G' | 'D' | 'M'>) =>
    dot(x as Tensor<'M'>, by, 'M') as unknown as Tensor<A | 'G' | 'D'>;
  /** Queries and keys of the routing heads, the same numbers. */
  const shared = <A extends string>(x: Tensor<A | 'M'>) => {
    const own = apart<'D' | 'M'>(query).routed;
    return own && unitNorm<A | 'G'>(project<A>(x, own));
  };
  const localOf = <A extends string>(x: Tensor<A | 'M'>, by: Tensor<'G' | 'D' | 'M'> | undefined) =>
    by && project<A>(x, by);
  const keyWeight = local > 0 ? weight(at('self_attn.k_proj.weight'), { G: local, D, M }) : undefined;

  return attention({
    q: (x) =>
      expand(joined<'B' | 'T' | 'D'>(localOf<'B' | 'T'>(x, apart<'D' | 'M'>(query).local), shared<'B' | 'T'>(x)), {
        R: 1,
      }),
    k: (x) => joined<'B' | 'S' | 'D'>(localOf<'B' | 'S'>(x, keyWeight), shared<'B' | 'S'>(x)),
    v: (x) => linear(x, at('self_attn.v_proj'), { G: H, D }, { M }),
    bias: position.bias,
    steps({ k, places }): AttentionSteps {
      const routed = apart<'B' | 'S' | 'D'>(k).routed;
      if (routed) learnCentroids(routed, site, settings, places);
      const turn = <A extends string>(x: Tensor<A>, positions: Places['queryPositions'] | Places['keyPositions']) =>
        position.rotary
          ? (rotate(x as unknown as Tensor<'D'>, positions as never, position.rotary) as unknown as Tensor<A>)
          : x;
      return {
        scores: (q: Queries, keys: Keys) =>
          dot(multiply(turn(q, places.queryPositions), D ** -0.5), turn(keys, places.keyPositions), 'D'),
        mask: (scores, where) => {
          const parts = apart<'B' | 'R' | 'T' | 'S'>(scores);
          return joined<'B' | 'R' | 'T' | 'S'>(
            parts.local && select(localMask(where, settings.localBlock), parts.local, Number.NEGATIVE_INFINITY),
            parts.routed && add(parts.routed, additive(causalMask(where) as Tensor<'T' | 'S'>)),
          );
        },
        normalise: (scores) => {
          const parts = apart<'B' | 'R' | 'T' | 'S'>(scores);
          return {
            pattern: joined<'B' | 'R' | 'T' | 'S'>(
              parts.local && softmax(parts.local, 'S'),
              parts.routed && clusters(parts.routed, routed!, places),
            ),
          };
        },
        mix: (pattern, v) => dot(pattern, v, 'S'),
        output: (z) => dot(z, expand(weight(at('self_attn.o_proj.weight'), { M, G: H, D }), { R: 1 }), ['G', 'R', 'D']),
      };
    },
  });

  function clusters(scores: Scores, routed: Routed, places: Places): Scores {
    const nearness =
      settings.assign === 'content'
        ? stopGradient(dot(routed, centroidsOf(site, settings), 'D'))
        : scrambled(routed, places);
    const made = settings.route === 'past' ? pastClusters : wholeTextClusters;
    return clusterPattern(scores, made(nearness, places, settings.size), places, settings);
  }

  /** An order of its own for each head and cluster, the same for every text. */
  function scrambled(routed: Routed, { keys }: Places): Nearness {
    const { heads, clusters: C } = settings;
    const one = Array.from({ length: C }, (_, c) => expand(scrambledOrder(keys, heads, c + 1), { C: 1 }));
    return expand(concat(one, 'C'), { B: size(routed, 'B') });
  }
}
