import { InputError } from '../../error.ts';
import { cachedDecoding, type DecodingLayer } from '../decoding.ts';
import type { Mechanism, MechanismFile, MechanismSite } from '../mechanism.ts';
import type { CentroidLearning } from '../selection/centroids.ts';
import { firstCentroids } from '../selection/centroids.ts';
import { type RoutingSettings, routingLayer } from '../selection/routing-layer.ts';

export interface RoutingOptions {
  /** k, clusters of a head, at least 1. Default √context, rounded. */
  readonly clusters?: number;
  /** w, tokens in a cluster, at least 1; published layers take context / k. Default that, rounded up. */
  readonly size?: number;
  /** Routing heads; the others are local. From 0 to H. Default half of them, rounded up. */
  readonly routingHeads?: number;
  /** Routing in all layers, or in the last alone (PG-19). Default `all`. */
  readonly layers?: 'all' | 'last';
  /** Block of the local heads, which see their own and the one before. Default w. */
  readonly localBlock?: number;
  /**
   * Clusters of the whole text, as published: whether a token is in a cluster then depends on later tokens, training tolerates it. Or of the
   * tokens up to each query, which is causal, what decoding does, and dearer to train (k · T² numbers a head). Default `whole-text`.
   */
  readonly route?: 'whole-text' | 'past';
  /** Default `ema`. */
  readonly centroids?: CentroidLearning;
  /** γ of running means, from 0 to 1. Default 0.999. */
  readonly momentum?: number;
  /** β, at least 0. Default 1e-4. */
  readonly commitment?: number;
  /** Default `keep` (official); `last-resort` hides a token from itself unless its cluster shows it nothing else. */
  readonly self?: 'keep' | 'last-resort';
  /** Default 1e-2 (official). With 0, one cluster of all tokens is softmax attention. */
  readonly epsilon?: number;
  /** What is put in a cluster: what is near its centroid, or as a control tokens by a fixed scrambled order of their places. Default `content`. */
  readonly assign?: 'content' | 'scrambled';
  /**
   * Are queries and keys of a routing head one and the same (default, as in the published language models), or is each routed by itself? Then a
   * cluster has a list of queries and a list of keys, which may have no key for a query: it gives nothing then. Masked by the order of tokens:
   * the official mask orders ranks in the lists, where a query may see a later key. Separate keys take no `last-resort`.
   */
  readonly keys?: 'shared' | 'separate';
  /**
   * Learned vectors for keys and values by the distance inside a cluster, in ranks, up to this one; farther ones share the last. At least 1.
   * Their part of the scores is not in `attn.hook_attn_scores`: it is another one in each cluster. Dear: k · T² · (2 · relative + 1) numbers a
   * head. Default none.
   */
  readonly relative?: number;
}

/**
 * Routing Transformer (2003.05997): each routing head sorts tokens into clusters by online k-means over its shared queries and keys, and softmax
 * attention runs inside each cluster; the other heads are block-local.
 *
 *     q = k = LN(x W_q),  cluster c = the w tokens of largest q · μ_c,  o_t = Σ_{c ∋ t} softmax over {s ∈ c, s ≤ t} (q_t · q_s / √D) v / (clusters of t + ε)
 *
 * q, v: [B, T, H, D], a key for every query head (G of the site is not used): `self_attn.q_proj`, `v_proj`, `o_proj`, and `k_proj` of the local heads
 * alone (of all with separate keys). μ: [heads, k, D]. Tokens are routed before they are rotated. Scores are scaled by 1/√D, which the official code
 * leaves out.
 *
 * Caveat: clusters of the whole text leak, see `route`. Generation re-routes with the past alone, so it differs slightly from the whole text.
 */
export function routingTransformer(options: RoutingOptions = {}): Mechanism {
  check(options);
  const settings = (site: MechanismSite) => settingsFor(site, options);
  return {
    name: nameOf(options),
    source: '2003.05997',
    rows: 'part',
    attention: (site) => routingLayer(site, settings(site)),
    decoding: (site) => decodingOf(site, settings(site)),
    initial: firstCentroids,
  };
}

/** A cache of keys and values; with separate keys also of queries, behind the keys, by which clusters are made. */
function decodingOf(site: MechanismSite, settings: RoutingSettings): DecodingLayer {
  const { H, D } = site.sizes;
  const cached = cachedDecoding(routingLayer(site, { ...settings, route: 'past' }), { G: H, D });
  if (settings.keys === 'shared') return cached;
  const state: DecodingLayer['state'] = (past) => {
    const plain = cached.state(past);
    return { ...plain, k: { ...plain.k, G: H + settings.heads } };
  };
  return { ...cached, state };
}

function check(options: RoutingOptions): void {
  const { clusters, size, routingHeads, localBlock, relative, momentum, commitment, epsilon } = options;
  for (const [name, value, least] of [
    ['clusters', clusters, 1],
    ['size', size, 1],
    ['routingHeads', routingHeads, 0],
    ['localBlock', localBlock, 1],
    ['relative', relative, 1],
  ] as const)
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= least))
      throw new InputError(`routing: ${name} must be a whole number of at least ${least}, got ${value}`);
  for (const [name, value, most] of [
    ['momentum', momentum, 1],
    ['commitment', commitment, Number.MAX_VALUE],
    ['epsilon', epsilon, Number.MAX_VALUE],
  ] as const)
    if (value !== undefined && !(value >= 0 && value <= most))
      throw new InputError(
        `routing: ${name} must be ${most === 1 ? 'from 0 to 1' : 'a finite number of at least 0'}, got ${value}`,
      );
  if (options.keys === 'separate' && options.self === 'last-resort')
    throw new InputError(
      'routing: self last-resort is for shared keys, where a token is its own best match; leave self out with keys separate',
    );
}

function settingsFor(
  { context, layer, layers, sizes: { H } }: MechanismSite,
  options: RoutingOptions,
): RoutingSettings {
  const { routingHeads = Math.ceil(H / 2) } = options;
  if (routingHeads > H) throw new InputError(`routing: routingHeads must be at most H = ${H}, got ${routingHeads}`);
  const clusters = options.clusters ?? Math.max(1, Math.round(Math.sqrt(context)));
  const size = options.size ?? Math.ceil(context / clusters);
  return {
    ...{ clusters, size, localBlock: options.localBlock ?? size },
    heads: options.layers === 'last' && layer < layers - 1 ? 0 : routingHeads,
    learning: options.centroids ?? 'ema',
    route: options.route ?? 'whole-text',
    assign: options.assign ?? 'content',
    self: options.self ?? 'keep',
    keys: options.keys ?? 'shared',
    ...(options.relative === undefined ? {} : { relative: options.relative }),
    ...{
      momentum: options.momentum ?? 0.999,
      commitment: options.commitment ?? 1e-4,
      epsilon: options.epsilon ?? 1e-2,
    },
  };
}

const defaults: RoutingOptions = {
  ...{ layers: 'all', route: 'whole-text', centroids: 'ema', momentum: 0.999, commitment: 1e-4 },
  ...{ self: 'keep', epsilon: 1e-2, assign: 'content', keys: 'shared' },
};

function nameOf(options: RoutingOptions): string {
  const changed = Object.entries(options).filter(([key, value]) => value !== defaults[key as keyof RoutingOptions]);
  return `routing: ${changed.length === 0 ? 'clusters of the whole text' : changed.map(([key, value]) => `${key} ${value}`).join(', ')}`;
}

const leaks = {
  causality:
    'a centroid takes the tokens nearest to it of the whole text, so a later token may take the place of an earlier one',
  decoding: 'decoding routes with the past alone, the whole text with all of it',
};

export const mechanismFile: MechanismFile = {
  card: 'routing-transformer',
  title: 'Routing Transformer',
  source: '2003.05997',
  idea: 'Each routing head sorts tokens into clusters by online k-means over its queries and attends inside each cluster; other heads are local.',
  equation: 'o_t = Σ_{c ∋ t} softmax_{s ∈ c, s ≤ t}(q_t · q_s / √D) v_s / (clusters of t + ε)',
  example: "routingTransformer({ route: 'past' })",
  citations: [
    {
      authors: 'Aurko Roy, Mohammad Saffar, Ashish Vaswani, David Grangier',
      title: 'Efficient Content-Based Sparse Attention with Routing Transformers',
      year: 2021,
      arxiv: '2003.05997',
    },
  ],
  variants: [
    { mechanism: routingTransformer, sink: 'open', except: leaks },
    { mechanism: () => routingTransformer({ route: 'past' }), sink: 'open' },
    { mechanism: () => routingTransformer({ route: 'past', self: 'last-resort' }), sink: 'open' },
    { mechanism: () => routingTransformer({ route: 'past', centroids: 'frozen' }), sink: 'open' },
    { mechanism: () => routingTransformer({ route: 'past', assign: 'scrambled' }), sink: 'open' },
    { mechanism: () => routingTransformer({ route: 'past', keys: 'separate' }), sink: 'open' },
    { mechanism: () => routingTransformer({ route: 'past', relative: 8 }), sink: 'open' },
    { mechanism: () => routingTransformer({ routingHeads: 0 }), sink: 'open' },
  ],
};
