import { InputError } from '../../error.ts';
import { rmsNorm } from '../../layers/norms.ts';
import { concat, Dim, slice, type Tensor } from '../../tensor/index.ts';
import { attention } from '../attention.ts';
import { cachedDecoding, type DecodingLayer } from '../decoding.ts';
import type { AttentionLayer } from '../layer.ts';
import type { Mechanism, MechanismFile, MechanismSite } from '../mechanism.ts';
import { projections } from '../projections.ts';
import {
  dynamicMaskSteps,
  type KeyChoice,
  keptKeys,
  rawTokenScores,
  type TokenScores,
  tokenScores,
} from '../selection/dynamic-mask.ts';
import type { Values } from '../steps.ts';

interface Common {
  /** A score for each query head (Doge 1 as first published) or for each key/value head (Doge as released). Default `key-value`. */
  readonly heads?: 'query' | 'key-value';
  /** RMSNorm with weights [D] on the heads of q and k, before RoPE (Doge 2). Default false. */
  readonly headNorms?: boolean;
  /** Keys are kept or dropped in blocks of this many, by majority; at least 2. Default: each alone. */
  readonly block?: number;
}

interface Top {
  /** `exp` adds δ, `log` adds ln δ = A · softplus(r); `none` is A frozen at 0: nothing is added and all scores tie. Default `exp`. */
  readonly form?: 'exp' | 'log' | 'none';
  readonly mask?: 'top';
  /** w, how many keys a query keeps, at least 1. Default a quarter of the training context, rounded up. */
  readonly keep?: number;
  /** What chooses: δ, or as controls a fixed random order or the latest tokens; δ is added all the same. Default `score`. */
  readonly order?: 'score' | 'random' | 'recency';
  /**
   * Which of equal scores is kept. The sources leave it to their runtime; PyTorch's top-k kept the earlier in the reference checkpoint, where a
   * repeated token ties in the first layer. Default `later`: at A = 0, where all tie, a sliding window.
   */
  readonly ties?: 'later' | 'earlier';
  /** The first tokens of the text that are always among the w. Default 0. */
  readonly keepFirst?: number;
}

interface Sign {
  readonly form: 'log';
  /** Keep the keys whose bias is above 0. As softplus is positive, that is all keys of a head with A > 0 and none of one with A ≤ 0. */
  readonly mask: 'sign';
}

export type DynamicMaskOptions = Common & (Top | Sign);

interface Settings {
  readonly heads: 'query' | 'key-value';
  readonly headNorms: boolean;
  readonly block: number | undefined;
  readonly form: 'exp' | 'log' | 'none';
  readonly choice: (site: MechanismSite) => KeyChoice;
}

/**
 * Dynamic mask attention (Trainable Dynamic Mask Sparse Attention, 2508.02124; Doge): a token's values give one score a head, which is added
 * to the logits of every query that sees the token and chooses the keys each query keeps.
 *
 *     r_j = v_j W_Δ,  δ_j = exp(A · softplus(r_j)),  o_i = Σ_j softmax_j(q_i · k_j / √D + δ_j over the w largest δ of keys up to i) v_j
 *
 * δ is [B, S, G], or [B, S, G, R] with a score for each query head. Gradients reach W_Δ and A through the δ that are kept; the choice has none.
 * Scores do not see the query: a text with more facts than w cannot be recalled. This graph is dense, its masked keys cost what kept ones do;
 * O(T · w) takes a kernel that skips blocks of keys: `skippedBlocks` says which, and how much that saves.
 */
export function dynamicMaskAttention(options: DynamicMaskOptions = {}): Mechanism {
  const { heads = 'key-value', headNorms = false, block } = options;
  if (block !== undefined) whole('block', block, 2);
  const settings: Settings = { heads, headNorms, block, form: options.form ?? 'exp', choice: choiceOf(options) };
  const signed = options.mask === 'sign';
  return {
    name: nameOf(options),
    source: '2508.02124',
    rows: signed || block !== undefined ? 'part' : 'one',
    attention: (site) => layerOf(site, settings),
    ...(settings.form === 'none' ? {} : { decoding: (site) => cachedScores(site, settings) }),
    initial(name, shape) {
      // With A = 0 the sign mask keeps nothing, and nothing would ever reach A.
      if (!name.endsWith('self_attn.A')) return undefined;
      return new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(signed ? 1 : 0);
    },
  };
}

function whole(option: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least)
    throw new InputError(`dynamic mask: ${option} must be a whole number of at least ${least}, got ${value}`);
}

function choiceOf(options: DynamicMaskOptions): Settings['choice'] {
  if (options.mask === 'sign') {
    const form: string | undefined = options.form;
    if (form !== 'log') throw new InputError(`dynamic mask: mask 'sign' needs form 'log', got form '${form ?? 'exp'}'`);
    return () => ({ by: 'sign' });
  }
  const { keep, order = 'score', keepFirst = 0, ties = 'later' } = options;
  if (keep !== undefined) whole('keep', keep, 1);
  whole('keepFirst', keepFirst, 0);
  return ({ context }) => ({ by: 'top', keep: keep ?? Math.ceil(context / 4), order, first: keepFirst, ties });
}

function nameOf(options: DynamicMaskOptions): string {
  const parts: string[] = [options.form === 'none' ? 'A frozen at 0' : (options.form ?? 'exp')];
  if (options.mask === 'sign') parts.push('kept by sign');
  else {
    if (options.keep !== undefined) parts.push(`${options.keep} kept`);
    if (options.order !== undefined && options.order !== 'score') parts.push(`chosen by ${options.order}`);
    if (options.ties === 'earlier') parts.push('the earlier of equals');
    if (options.keepFirst) parts.push(`first ${options.keepFirst} kept`);
  }
  if (options.heads === 'query') parts.push('per query head');
  if (options.headNorms) parts.push('head norms');
  if (options.block !== undefined) parts.push(`blocks of ${options.block}`);
  return `dynamic mask: ${parts.join(', ')}`;
}

/** @param raw r of all keys. Default: made of their values. */
function layerOf(site: MechanismSite, settings: Settings, raw?: (v: Values) => TokenScores): AttentionLayer {
  const { at, sizes, position, window, epsilon } = site;
  const { output, ...project } = projections(at, sizes, { inputs: false, output: false });
  const { form, heads, block } = settings;
  const given = { at, sizes, heads };
  const choice = settings.choice(site);
  const norm =
    <A extends string>(name: string) =>
    (x: Tensor<A | 'D'>) =>
      rmsNorm(x, 'D', at(`self_attn.${name}`), { epsilon });
  return attention({
    ...project,
    ...position,
    ...(settings.headNorms ? { headNorms: { q: norm('q_norm'), k: norm('k_norm') } } : {}),
    steps({ v }) {
      const made = raw ?? ((values: Values) => rawTokenScores(values, given));
      const scores = form === 'none' ? undefined : tokenScores(made(v), form, given);
      return dynamicMaskSteps({
        ...{ scale: sizes.D ** -0.5, window, output },
        kept: (places) => keptKeys(scores, choice, places, { G: sizes.G, window, block }),
        added: scores?.added,
        emptyRows: choice.by === 'sign' || block !== undefined,
      });
    },
  });
}

/** Keys, values and r of each token are kept: a step computes the score of its own token only. */
function cachedScores(site: MechanismSite, settings: Settings): DecodingLayer {
  const { at, sizes } = site;
  const { H, G, D } = sizes;
  const own = settings.heads === 'query' ? { G, R: H / G } : { G };
  const plain = cachedDecoding(layerOf(site, settings), sizes);
  return {
    state: (past) => ({ ...plain.state(past), scores: { B: Dim.of('B'), S: past, ...own } }),
    step(x, { scores, ...kv }, past, hook) {
      let all = scores as unknown as TokenScores;
      const layer = layerOf(site, settings, (v) => {
        const fresh = slice(v, 'S', past.size, past.size.plus(1));
        all = concat([all, rawTokenScores(fresh, { at, sizes, heads: settings.heads })], 'S');
        return all;
      });
      const { output, state } = cachedDecoding(layer, { G, D }).step(x, kv, past, hook);
      return { output, state: { ...state, scores: all as unknown as Tensor<string> } };
    },
  };
}

const except = {
  gradient:
    'a step in the weights changes which keys are kept, where the output jumps; the variant with a random order has a fixed choice',
};

export const mechanismFile: MechanismFile = {
  card: 'dynamic-mask-attention',
  title: 'Dynamic mask attention',
  source: '2508.02124',
  idea: 'The values of a token give one score a head: it is added to the logits of every query that sees the token, and a query keeps only the tokens of the highest scores.',
  equation: 'softmax_j(q_i · k_j / √D + δ_j), over the w largest δ_j = e^{A · softplus(v_j W_Δ)} of the keys up to i',
  example: "dynamicMaskAttention({ form: 'log' })",
  citations: [
    {
      authors: 'Jingze Shi, Yifan Wu, Bingheng Wu, Yiran Peng, Liangdong Wang, Guang Liu, Yuyu Luo',
      title: 'Trainable Dynamic Mask Sparse Attention',
      year: 2025,
      arxiv: '2508.02124',
    },
  ],
  variants: [
    { mechanism: dynamicMaskAttention, sink: 'open', except },
    { mechanism: () => dynamicMaskAttention({ form: 'log' }), sink: 'open', except },
    { mechanism: () => dynamicMaskAttention({ heads: 'query', headNorms: true }), sink: 'open', except },
    { mechanism: () => dynamicMaskAttention({ block: 2 }), sink: 'open', except },
    { mechanism: () => dynamicMaskAttention({ keepFirst: 1 }), sink: 'keeps', except },
    { mechanism: () => dynamicMaskAttention({ order: 'random' }), sink: 'open' },
    { mechanism: () => dynamicMaskAttention({ form: 'none' }), sink: 'open' },
  ],
};
