import { linear } from '../../layers/linear.ts';
import {
  add,
  concat,
  divide,
  dot,
  expand,
  isSame,
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
import { type RelativePattern, relativeClusterPattern, relativeValues, relativeVectors } from './cluster-relative.ts';
import {
  type ClusterOptions,
  clusterPattern,
  localMask,
  type Membership,
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
  readonly keys: 'shared' | 'separate';
  /** Distances inside a cluster with a vector of their own. Default: none. */
  readonly relative?: number;
}

/** LayerNorm over D without weight or bias: norm √D. */
function unitNorm<A extends string>(x: Tensor<A | 'D'>): Tensor<A | 'D'> {
  const whole = x as unknown as Tensor<'D'>;
  const centred = subtract(whole, mean(whole, 'D'));
  return divide(centred, sqrt(add(mean(power(centred, 2), 'D'), 1e-6))) as unknown as Tensor<A | 'D'>;
}

/**
 * Local heads first, then routing heads, along G with R = 1. With separate keys the k of `keysAndValues` has, behind them, the queries of the
 * routing heads: which of them a cluster takes depends on all of them.
 */
export function routingLayer(site: MechanismSite, settings: RoutingSettings): AttentionLayer {
  const { at, sizes, position } = site;
  const { H, D, M } = sizes;
  const local = H - settings.heads;
  const separate = settings.keys === 'separate';
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
  /** Queries or keys of the routing heads, by their part of a matrix. */
  const normed = <A extends string>(x: Tensor<A | 'M'>, by: Tensor<'G' | 'D' | 'M'> | undefined) =>
    by && unitNorm<A | 'G'>(project<A>(x, by));
  const routedQueries = <A extends string>(x: Tensor<A | 'M'>) => normed<A>(x, apart<'D' | 'M'>(query).routed);
  const localOf = <A extends string>(x: Tensor<A | 'M'>, by: Tensor<'G' | 'D' | 'M'> | undefined) =>
    by && project<A>(x, by);
  const keyHeads = separate ? H : local;
  const keyWeight = keyHeads > 0 ? weight(at('self_attn.k_proj.weight'), { G: keyHeads, D, M }) : undefined;
  const keyParts = keyWeight && separate ? apart<'D' | 'M'>(keyWeight) : { local: keyWeight, routed: undefined };
  const routedKeys = <A extends string>(x: Tensor<A | 'M'>) =>
    separate ? normed<A>(x, keyParts.routed) : routedQueries<A>(x);

  /** @param routedAsQueries tokens as the routing heads' queries, along the keys; nothing where they are their keys */
  const layer = (routedAsQueries: Routed | undefined) =>
    attention({
      q: (x) =>
        expand(
          joined<'B' | 'T' | 'D'>(localOf<'B' | 'T'>(x, apart<'D' | 'M'>(query).local), routedQueries<'B' | 'T'>(x)),
          { R: 1 },
        ),
      k: (x) => joined<'B' | 'S' | 'D'>(localOf<'B' | 'S'>(x, keyParts.local), routedKeys<'B' | 'S'>(x)),
      v: (x) => linear(x, at('self_attn.v_proj'), { G: H, D }, { M }),
      bias: position.bias,
      steps({ q, k, places }): AttentionSteps {
        const routed = apart<'B' | 'S' | 'D'>(k).routed;
        if (routed) learnCentroids(routedAsQueries ? [routedAsQueries, routed] : [routed], site, settings, places);
        const turn = <A extends string>(x: Tensor<A>, positions: Places['queryPositions'] | Places['keyPositions']) =>
          position.rotary
            ? (rotate(x as unknown as Tensor<'D'>, positions as never, position.rotary) as unknown as Tensor<A>)
            : x;
        let relative: RelativePattern | undefined;
        let whole: Scores | undefined;
        function clusters(scores: Scores, keys: Routed): Scores {
          const members = membership(keys, routedAsQueries ?? keys, places);
          if (settings.relative === undefined)
            return clusterPattern(scores, members.keys, places, settings, members.queries);
          const vectors = relativeVectors(at, settings.relative, D);
          const mine = apart<'B' | 'T' | 'R' | 'D'>(q).routed!;
          relative = relativeClusterPattern(scores, mine, members, places, vectors, { ...settings, scale: D ** -0.5 });
          return relative.pattern;
        }
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
            whole = joined<'B' | 'R' | 'T' | 'S'>(
              parts.local && softmax(parts.local, 'S'),
              parts.routed && clusters(parts.routed, routed!),
            );
            return { pattern: whole };
          },
          mix: (pattern, v) => {
            const z = dot(pattern, v, 'S') as Queries;
            if (!relative) return z;
            const parts = apart<'B' | 'T' | 'R' | 'D'>(z);
            const edited = isSame(pattern, whole!) ? undefined : apart<'B' | 'R' | 'T' | 'S'>(pattern).routed;
            return joined<'B' | 'T' | 'R' | 'D'>(parts.local, add(parts.routed!, relativeValues(relative, edited)));
          },
          output: (z) =>
            dot(z, expand(weight(at('self_attn.o_proj.weight'), { M, G: H, D }), { R: 1 }), ['G', 'R', 'D']),
        };
      },
    });

  if (!separate || settings.heads === 0) return layer(undefined);
  return {
    keysAndValues(x, places, hook) {
      const { k, v } = layer(undefined).keysAndValues(x, places, hook);
      return { k: joined<'B' | 'S' | 'D'>(k, routedQueries<'B' | 'S'>(x)), v };
    },
    attend(x, { k, v }, places, hook) {
      const own = slice(k, 'G', 0, H);
      return layer(slice(k, 'G', H, H + settings.heads)).attend(x, { k: own, v }, places, hook);
    },
  };

  function membership(keys: Routed, queries: Routed, places: Places): { queries: Membership; keys: Membership } {
    const make = (routed: Routed) => {
      const nearness =
        settings.assign === 'content'
          ? stopGradient(dot(routed, centroidsOf(site, settings), 'D'))
          : scrambled(routed, places);
      return (settings.route === 'past' ? pastClusters : wholeTextClusters)(nearness, places, settings.size);
    };
    const own = make(keys);
    return { keys: own, queries: queries === keys ? own : make(queries) };
  }

  /** An order of its own for each head and cluster, the same for every text. */
  function scrambled(routed: Routed, { keys }: Places): Nearness {
    const { heads, clusters: C } = settings;
    const one = Array.from({ length: C }, (_, c) => expand(scrambledOrder(keys, heads, c + 1), { C: 1 }));
    return expand(concat(one, 'C'), { B: size(routed, 'B') });
  }
}
