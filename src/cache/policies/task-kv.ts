import { InputError } from '../../error.ts';
import type { DecoderSizes } from '../../models/decoder.ts';
import { seededRandom, seedFor } from '../../random.ts';
import { largest, ranksOf } from '../largest.ts';
import type { CachePolicy, Entries, PositionRule } from '../policy.ts';
import type { PolicyFile } from '../policy-file.ts';
import { checkSizes } from '../policy-sizes.ts';
import {
  chooseHeads,
  type HeadChoice,
  middleTokens,
  semanticDistances,
  semanticVector,
  wholeHeads,
} from '../task-kv/heads.ts';
import { pooled } from './snapkv.ts';

export interface TaskKvOptions {
  /** Of the model: how many heads keep the whole prompt depends on the number of layers. */
  readonly sizes: Pick<DecoderSizes, 'L' | 'G'>;
  /** Entries after the prompt: a share of it, 0 to 1, or a number, either way mean over heads. Default a share of 0.4. */
  readonly budget?: { readonly share: number } | { readonly entries: number };
  /** Share of heads of the bottom layer that keep the whole prompt. Default 0.25; the paper takes 0.3 where heads are grouped. */
  readonly beta?: number;
  /** Heads of the top layer that do. Default an eighth of the heads, at least 1. */
  readonly top?: number;
  /** Last queries of the prompt whose attention counts. Default 32. */
  readonly window?: number;
  /** Tokens of largest attention that a head's semantic vector is made of. Default 256. */
  readonly tokens?: number;
  /** First tokens that the other heads keep. Default 16. */
  readonly sinks?: number;
  /** Last tokens that the other heads keep. Default 256. */
  readonly recent?: number;
  /** Neighbouring tokens whose attention is averaged before middle tokens are chosen, odd. Default 7. */
  readonly kernel?: number;
  /**
   * What gives way where heads with the whole prompt leave too little of the budget for sinks and recent tokens: the budget, or whole heads.
   * Default `budget`.
   */
  readonly givesWay?: 'budget' | 'heads';
  /** The head nearest to the mean is one of the whole ones, comes on top of them, or is treated as any other. Default `counted`. */
  readonly nearest?: 'counted' | 'added' | 'none';
  /** Default `farthest`; the others are controls. */
  readonly choose?: HeadChoice['choose'];
  /** For the controls of chance. Default 0. */
  readonly seed?: number;
  /** Indices in the text of tokens that all heads keep, within the budget where it has room for middle tokens. Default none. */
  readonly protect?: readonly number[];
  /** Default `absolute`, as published. */
  readonly positions?: PositionRule;
  /** Is told what was decided in each layer. */
  readonly observe?: (decision: TaskKvDecision) => void;
}

/** What was decided in one layer at the end of a prompt. */
export interface TaskKvDecision {
  readonly layer: number;
  /** Entries before: tokens of the prompt. */
  readonly prompt: number;
  /** Of each head, [D]. */
  readonly semantic: readonly Float64Array[];
  readonly distances: Float64Array;
  /** Heads that keep the whole prompt. */
  readonly whole: readonly number[];
  /** Middle tokens of the other heads. */
  readonly middle: number;
  /** Entries of all heads together: allowed, and kept. */
  readonly budget: number;
  readonly kept: number;
  /** Ranks that stay, by head. */
  readonly ranks: readonly (readonly number[])[];
}

/**
 * Task-KV, 2501.15113: reads the prompt whole and decides once, at its end, which heads this prompt needs. A head's semantic vector is what
 * its last queries gather of its values; heads far from the mean of the layer, and the one nearest to it, keep the whole prompt. The others
 * keep sinks, recent tokens, and as many middle tokens of largest pooled attention as the budget leaves. All that is generated stays.
 *
 * Query heads of a group share entries: their attention is averaged, and heads are key/value heads. Distances are Euclidean; the number of
 * whole heads is rounded; the nearest is one of them. Two heads are always as far from their mean as each other: there the first counts. Every head is a bank of its own that grows with the text, so memory is what is kept.
 * A further prompt decides again, over what is kept by then.
 *
 * Throws an InputError for numbers outside their ranges.
 */
export function taskKv(options: TaskKvOptions): CachePolicy {
  const { sizes, positions = 'absolute', window = 32, observe } = options;
  const settings = checked(options);
  const decisions = new WeakMap<readonly Entries[], TaskKvDecision>();
  const { budget, sinks, recent } = settings;
  const amount = 'share' in budget ? `${100 * budget.share} % of the prompt` : `${budget.entries} entries`;
  return {
    name: `task-kv: ${amount}, ${sinks} + ${recent}${settings.choose === 'farthest' ? '' : `, ${settings.choose} heads`}`,
    source: '2501.15113',
    keeps: `the whole prompt in heads far from their layer's mean; in the others the first ${sinks} tokens, the last ${recent} and the middle ones of largest attention: ${amount} a head on average; and all that follow`,
    decides: 'once, at the end of a prompt',
    positions,
    layout: ({ L, G }) => {
      if (L !== sizes.L || G !== sizes.G)
        throw new InputError(
          `task-kv: it was made for ${sizes.L} layers of ${sizes.G} key/value heads, the model has ${L} of ${G}`,
        );
      return {
        tables: Array.from({ length: L * G }, () => ({ pinned: 0, entries: grows })),
        layers: Array.from({ length: L }, (_, layer) =>
          Array.from({ length: G }, (_, head) =>
            G === 1 ? { table: layer } : { heads: [head], table: layer * G + head },
          ),
        ),
      };
    },
    weighs: { ofPrompt: window },
    prompt: 'whole',
    grows,
    keep: ({ table, layer, promptEnd }) => {
      if (!promptEnd) return undefined;
      let decision = decisions.get(layer);
      if (!decision) {
        decision = decide(layer, Math.floor(table / sizes.G), settings);
        decisions.set(layer, decision);
        observe?.(decision);
      }
      return decision.ranks[table % sizes.G];
    },
  };
}

/** Slots by which heads grow. */
const grows = 64;

type Settings = Required<Omit<TaskKvOptions, 'observe' | 'positions' | 'protect'>> & {
  readonly protect: ReadonlySet<number>;
};

function checked(options: TaskKvOptions): Settings {
  const settings: Settings = {
    ...{
      budget: { share: 0.4 },
      beta: 0.25,
      top: Math.max(1, Math.floor(options.sizes.G / 8)),
      window: 32,
      tokens: 256,
    },
    ...{ sinks: 16, recent: 256, kernel: 7, givesWay: 'budget', nearest: 'counted', choose: 'farthest', seed: 0 },
    ...options,
    protect: new Set(options.protect),
  };
  const { budget, beta, top, window, tokens, sinks, recent, kernel, seed, sizes } = settings;
  checkSizes('task-kv', 1, { window, tokens, recent, kernel });
  checkSizes('task-kv', 0, { sinks, seed });
  if (kernel % 2 === 0) throw new InputError(`task-kv: expected kernel to be odd, got ${kernel}`);
  if (!(beta >= 0 && beta <= 1)) throw new InputError(`task-kv: expected beta from 0 to 1, got ${beta}`);
  if (!(top >= 0 && top <= sizes.G))
    throw new InputError(`task-kv: expected top from 0 to ${sizes.G}, the heads of a layer, got ${top}`);
  if ('entries' in budget) checkSizes('task-kv', 1, { 'budget.entries': budget.entries });
  else if (!(budget.share > 0 && budget.share <= 1))
    throw new InputError(`task-kv: expected budget.share above 0, to 1, got ${budget.share}`);
  return settings;
}

function decide(heads: readonly Entries[], layer: number, settings: Settings): TaskKvDecision {
  const { sizes, budget: asked, beta, top, window, tokens, sinks, recent, givesWay, nearest, choose, seed } = settings;
  const n = heads.length;
  const prompt = Math.max(...heads.map((head) => head.tokens.length));
  const rows = Math.min(window, heads[0]!.next);
  const weights = heads.map(({ sums }) => sums.map((sum) => sum / rows));
  const semantic = heads.map(({ value }, head) => semanticVector(weights[head]!, value, tokens));
  const distances = semanticDistances(semantic);
  const budget = n * ('share' in asked ? asked.share * prompt : asked.entries);
  const wanted = Math.round(wholeHeads(layer, { layers: sizes.L, heads: n, beta, top }));
  let count = Math.min(n, wanted + (nearest === 'added' && wanted > 0 ? 1 : 0));
  const middleOf = (whole: number) => middleTokens(budget, { prompt, heads: n, whole, sinks, recent });
  if (givesWay === 'heads') while (count > 0 && (middleOf(count) < 0 || prompt * count > budget)) count--;
  const random = seededRandom(seedFor(seed, layer, heads[0]!.next));
  const whole = chooseHeads(distances, count, { choose, nearestToo: nearest !== 'none', random });
  const middle = Math.max(0, middleOf(whole.length));
  const ranks = heads.map(({ tokens: of }, head) => {
    const all = of.map((_, rank) => rank);
    return whole.includes(head) ? all : beside(of, weights[head]!, middle, settings);
  });
  const kept = ranks.reduce((sum, of) => sum + of.length, 0);
  return { layer, prompt, semantic, distances, whole, middle, budget, kept, ranks };
}

/** Sinks, recent tokens and the middle ones of largest pooled attention. */
function beside(
  tokens: readonly number[],
  weights: Float64Array,
  middle: number,
  { sinks, recent, kernel, protect }: Settings,
): readonly number[] {
  const end = Math.max(sinks, tokens.length - recent);
  const among = Math.max(0, end - sinks);
  const votes = pooled(weights, kernel, 'average').subarray(sinks, end);
  const stay = ranksOf(tokens.slice(sinks, end), protect);
  const chosen = new Set([...largest(votes, middle, among, stay), ...stay]);
  return tokens.map((_, rank) => rank).filter((rank) => rank < sinks || rank >= end || chosen.has(rank - sinks));
}

export const policyFile: PolicyFile = {
  name: 'task-kv',
  title: 'Task-KV',
  source: '2501.15113',
  idea: 'At the end of a prompt, heads whose output stands apart keep all of it; the others keep sinks, recent tokens and what was looked at most.',
  make: ({ capacity, sinks, positions, protect, sizes }) => {
    checkSizes('task-kv', 4, { capacity });
    return taskKv({
      // The paper's 16 and 256 where there is room for them; whole heads give way, so that the capacity holds.
      ...{ sizes, budget: { entries: capacity }, givesWay: 'heads' },
      ...{ sinks: sinks ?? Math.min(16, Math.floor(capacity / 8)), recent: Math.min(256, Math.floor(capacity / 2)) },
      ...(positions ? { positions } : {}),
      ...(protect ? { protect } : {}),
    });
  },
};
