import { type Fed, feed } from '../models/feed.ts';
import type { Batch } from '../models/input.ts';
import { Layerwise, type Reductions } from '../models/layerwise.ts';
import type { Model } from '../models/model.ts';
import { residualWidth, type Stack } from '../models/stack.ts';
import { Collection } from './collection.ts';
import { CrossCollection } from './cross-attention.ts';
import type { Measurement, Setting } from './measurement.ts';
import { packPatterns } from './patterns.ts';
import { sinkMass, wholePattern } from './reductions.ts';
import type { PatternSample } from './result.ts';

/** One text as token ids, or a batch of one text, picture or spectrogram. */
export type Single = readonly number[] | Batch;

export const batchOf = (text: Single): Batch => ('length' in text ? { ids: [text] } : text);

/** Tokens in one batch of short texts: enough to keep matrix products busy, little enough to bound memory. */
export const batchTokens = 2048;

export interface PassInput {
  readonly page: Single;
  /** None: the page is the only text. */
  readonly texts: readonly Single[];
  /** Positions from the start of the page whose patterns are kept. */
  readonly patterns: number;
  readonly overPage: readonly Measurement[];
  readonly overTexts: readonly Measurement[];
  readonly epsilons: readonly number[];
  /** Attention to a memory is measured too, where there is one. */
  readonly cross?: boolean;
}

export interface PassOptions {
  /** Queries of one run. Default 256. */
  readonly chunk?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Pass {
  readonly texts: Collection;
  readonly page: Collection;
  readonly patterns: PatternSample[];
  /** Of the page, where it has a memory and is asked for. */
  readonly cross: CrossCollection | undefined;
}

/** What texts of `tokens` tokens share in the self-attention of a stack. */
export function settingOf(
  { sizes, blocks, causal = true }: Stack,
  tokens: number,
  epsilons: readonly number[],
): Setting {
  const hasPattern = blocks.map(({ rows }) => rows !== 'none');
  return {
    ...{ tokens, epsilons, causal },
    sizes: { ...sizes, M: residualWidth(sizes) },
    windows: blocks.map(({ window }) => window ?? null),
    ...(hasPattern.includes(false) ? { hasPattern } : {}),
  };
}

/** One pass over the weights: the texts in batches, the page, and the beginning of the page for its patterns. */
export async function runPass(
  model: Model,
  { page, texts, patterns, overPage, overTexts, epsilons, cross: wanted = false }: PassInput,
  { chunk = 256, signal }: PassOptions,
  step: () => void,
): Promise<Pass> {
  const { stack } = model;
  const { H } = stack.sizes;
  const { causal = true } = stack;
  const fedPage = feed(stack, batchOf(page));
  const fedTexts = batches(stack, texts, chunk);
  const T = fedTexts[0]?.T ?? fedPage.T;
  const ofTexts = new Collection(overTexts, settingOf(stack, T, epsilons));
  const ofPage = new Collection(overPage, settingOf(stack, fedPage.T, epsilons));
  const cross = wanted && fedPage.S !== undefined ? new CrossCollection(stack, fedPage, epsilons, patterns) : undefined;
  const samples: PatternSample[] = [];

  let first = 0;
  const jobs: Job[] = fedTexts.map((fed) => {
    const job = { fed, to: [{ collection: ofTexts, first }] };
    first += fed.B;
    return job;
  });
  // Without texts the page is measured once, for both.
  const pageAt = jobs.push({
    fed: fedPage,
    to: [ofPage, ...(texts.length === 0 ? [ofTexts] : [])].map((collection) => ({ collection })),
  });
  const looked = Math.min(patterns, fedPage.T);
  // Under a causal mask the beginning of the page has the pattern it has within the page, for less.
  const patternsAt =
    looked === 0
      ? -1
      : causal && 'length' in page
        ? jobs.push({ fed: feed(stack, batchOf(page.slice(0, looked))), to: [] }) - 1
        : pageAt - 1;

  const engine = new Layerwise(model, {
    chunk,
    signal,
    reduce: (batch) => ({
      ...reductionsOf(jobs[batch]!, batch === patternsAt),
      ...(batch === pageAt - 1 ? cross?.reductions : {}),
    }),
  });
  for await (const output of engine.run(jobs.map(({ fed }) => fed))) {
    const { batch, layer, reduced } = output;
    for (const { collection, first } of jobs[batch]!.to) collection.add(output, first);
    if (batch === pageAt - 1) cross?.add(output);
    if (batch === patternsAt && reduced.wholePattern && stack.blocks[layer]!.rows !== 'none')
      samples.push(
        ...packPatterns(layer, H, looked, reduced.wholePattern.data, reduced.sinkMass?.data, jobs[batch]!.fed.T),
      );
    if (batch === jobs.length - 1) step();
  }
  return { texts: ofTexts, page: ofPage, patterns: samples, cross };
}

/** Token texts of a length as many at once as fit, everything else one by one. */
function batches(stack: Stack, texts: readonly Single[], chunk: number): Fed[] {
  const found: Fed[] = [];
  const plain = texts.filter((text): text is readonly number[] => 'length' in text);
  if (plain.length < texts.length) return texts.map((text) => feed(stack, batchOf(text)));
  const T = plain[0]?.length ?? 0;
  const rows = T > chunk ? 1 : Math.max(1, Math.floor(batchTokens / T));
  for (let first = 0; first < plain.length; first += rows)
    found.push(feed(stack, { ids: plain.slice(first, first + rows) }));
  return found;
}

/** Texts that go through a layer together, and where their figures are collected. */
interface Job {
  readonly fed: Fed;
  readonly to: readonly { readonly collection: Collection; readonly first?: number }[];
}

const reductionsOf = ({ to }: Job, patterns: boolean): Reductions =>
  Object.assign({}, ...to.map(({ collection }) => collection.reductions), patterns ? { wholePattern, sinkMass } : {});
