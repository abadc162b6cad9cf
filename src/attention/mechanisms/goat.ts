import { InputError } from '../../error.ts';
import { size } from '../../tensor/index.ts';
import type { AttentionLayer } from '../layer.ts';
import type { Mechanism, MechanismFile } from '../mechanism.ts';
import type { Places } from '../places.ts';
import { priorInitial } from '../positions/goat-initial.ts';
import type { SinkPart } from '../positions/goat-key-prior.ts';
import { type GoatSettings, goatLayer } from '../positions/goat-layer.ts';
import { gridLayout, gridLength, lineLayout, type PatchGrid } from '../positions/goat-layout.ts';
import type { RelativePart } from '../positions/goat-prior.ts';

/**
 * Attention with trainable priors (GOAT), 2601.15380: softmax weights are a prior bent by content, so positions and sinks belong in a learned
 * log-prior K instead of in high-norm keys: w_ij = softmax_j(q_c·k_c / √d_c + K_ij), K_ij = K_rel(i − j) + u(j).
 *
 * The first d_c of the D channels of a head are content. The others hold K as an inner product (see `goatPrior`): queries
 * [√(D/d_c) q_c, √D q_K, √D], keys [k_c, k_K, u], so that an unmodified softmax attention with its 1/√D does everything and keys are cached
 * as they are. Values keep D channels. The rows of q_proj and k_proj that the prior takes stay stored without use.
 *
 * It takes the place of position encodings: what a site says about positions in attention is not used.
 */
export type GoatOptions = PriorShape & (TrainedPrior | { readonly start: 'frozen' });

interface PriorShape {
  /** Default rank 4, on a grid 8; in heads too narrow for it as many as leave half of the channels to content. */
  readonly relative?: RelativePart;
  /** Default rank 4, on a grid 8; `none`: no u(j). */
  readonly sink?: SinkPart | 'none';
}

interface TrainedPrior {
  /**
   * `seeded` (language models): α ~ N(0, 0.01²), slopes of recency 2^(−8h/G). `uniform`: a prior of zero to start with. Default `seeded`, on a
   * grid `uniform`. `frozen` is the negative control: the uniform start, never trained, K = 0.
   */
  readonly start?: 'seeded' | 'uniform';
  /** `query-norm`: K times σ(b − softplus(a) ‖q_c‖) of each query and head, so that strong content may put the prior aside. Default none. */
  readonly gate?: 'query-norm';
  /**
   * `explicit` adds K to the scores instead of packing it into channels: the same weights, `attn.hook_attn_scores` without the prior, no
   * fused operator. Default `packed`.
   */
  readonly form?: 'packed' | 'explicit';
}

/** Throws an InputError, when it is built into a layer, for ranks that leave no channel to content. */
export function goat(options: GoatOptions = {}): Mechanism {
  const settings = settingsOf(options, { rank: 4 });
  return {
    ...common(options, [], 'seeded', settings),
    attention: (site) => {
      const { context } = site;
      const layer = goatLayer(site, { ...settings, layout: lineLayout, context });
      return atPlaces(layer);
    },
  };
}

export type GoatGridOptions = GoatOptions & { readonly grid: PatchGrid };

/**
 * GOAT for the patches of an image, row after row, all of which see each other: the first half of the frequencies stands for rows, the rest
 * for columns, K_rel = Σ_{r < R/2} (α_r cos ω_r Δrow + β_r sin ω_r Δrow) + Σ_{r ≥ R/2} (the same of Δcolumn). The frequencies are one
 * ladder, so columns get the slow ones. A class token has no place: K_rel is 0 between it and anything, u of it is bump + MLP of zeros.
 * No term of u rises with j. D of u is the number of tokens less one, as in the published image models.
 *
 * Throws an InputError for a grid that is none, for texts of another length, and for decoding.
 */
export function goatGrid({ grid, ...options }: GoatGridOptions): Mechanism {
  const tokens = gridLength(grid);
  const settings = settingsOf(options, { rank: 8 });
  const { rows, columns, classToken = true } = grid;
  const title = `${rows} × ${columns} grid${classToken ? '' : ' without a class token'}`;
  return {
    ...common(options, [title], 'uniform', settings),
    attention(site) {
      const built = goatLayer(site, { ...settings, layout: gridLayout(grid), context: Math.max(1, tokens - 1) });
      const layer = atPlaces(built);
      return {
        keysAndValues: (x, places, hook) => layer.keysAndValues(x, places, hook),
        attend(x, kv, places, hook) {
          const length = size(places.keys, 'S');
          if (length.constant !== tokens)
            throw new InputError(
              `GOAT: a ${title} has ${tokens} tokens, got ${length.constant ?? 'a text of any length'}; give grid the sizes of the image in patches`,
            );
          return layer.attend(x, kv, { ...places, prefix: tokens }, hook);
        },
      };
    },
    decoding() {
      throw new InputError('GOAT: patches of a grid see those after them, so they cannot be decoded one at a time');
    },
  };
}

function settingsOf(options: GoatOptions, { rank }: { readonly rank: number }) {
  const { sink = {}, relative } = options;
  const { gate, form = 'packed' } = options.start === 'frozen' ? { form: 'none' as const, gate: undefined } : options;
  const whole = sink === 'none' ? undefined : { rank, ...sink };
  return { relative, usual: rank, sink: whole, gate, form } satisfies Partial<GoatSettings>;
}

/** The layer is another one for other places: made anew for the keys and for the queries. */
function atPlaces(layer: (places: Places) => AttentionLayer): AttentionLayer {
  return {
    keysAndValues: (x, places, hook) => layer(places).keysAndValues(x, places, hook),
    attend: (x, kv, places, hook) => layer(places).attend(x, kv, places, hook),
  };
}

function common(
  options: GoatOptions,
  first: readonly string[],
  usual: 'seeded' | 'uniform',
  { sink, gate, form }: Pick<GoatSettings, 'sink' | 'gate' | 'form'>,
) {
  const { start = usual } = options;
  const parts = [
    ...first,
    ...(options.relative ? [`rank ${options.relative.rank}`] : []),
    ...(sink ? [] : ['no sink part']),
    ...(start === usual ? [] : [start]),
    ...(gate ? [`${gate} gate`] : []),
    ...(form === 'explicit' ? [form] : []),
  ];
  return {
    name: ['goat', ...(parts.length > 0 ? [parts.join(', ')] : [])].join(': '),
    source: '2601.15380',
    rows: 'one',
    initial: (name, shape, random) => priorInitial(name, shape, random, start, sink?.deviation ?? 1e-3),
  } satisfies Partial<Mechanism>;
}

export const mechanismFile: MechanismFile = {
  card: 'goat',
  title: 'Attention with trainable priors (GOAT)',
  source: '2601.15380',
  idea: 'Positions and sinks live in an explicit learned log-prior, in a few channels of queries and keys, so no content key has to fake a default.',
  equation: 'w_ij ∝ exp(q_c·k_c/√d_c + Σ_r α_r cos ω_r(i−j) + β_r sin ω_r(i−j) + u(j))',
  example: "goat({ gate: 'query-norm' })",
  citations: [
    {
      authors: 'Elon Litman, Gabe Guo',
      title: 'You Need Better Attention Priors',
      year: 2026,
      arxiv: '2601.15380',
    },
  ],
  // The sink moves into the prior, which attends to BOS all the same: what content alone would do is asked by its claim.
  variants: [
    { mechanism: goat, sink: 'open' },
    { mechanism: () => goat({ start: 'uniform' }), sink: 'open' },
    { mechanism: () => goat({ relative: { rank: 0 } }), sink: 'open' },
    { mechanism: () => goat({ gate: 'query-norm' }), sink: 'open' },
    { mechanism: () => goat({ start: 'frozen' }), sink: 'open' },
  ],
};
