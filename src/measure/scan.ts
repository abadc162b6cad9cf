import { InputError } from '../error.ts';
import { type Rectangle, rectangle } from '../models/input.ts';
import { Layerwise } from '../models/layerwise.ts';
import type { Model } from '../models/model.ts';
import type { Control, PatternSample, ScanResult, SinkRate, TokenInfo } from '../report/result.ts';
import { controlSettings } from './controls.ts';
import { PageCollector, pageReductions } from './page.ts';
import { packPatterns } from './patterns.ts';
import { seededRandom } from './random.ts';
import { columnSums, sinkMass, wholePattern } from './reductions.ts';
import { SinkRateSums } from './sink-rate.ts';
import type { SinkRates } from './sink-rate-protocol.ts';

export interface ScanInput {
  /** Ids of one text to look at, BOS included where there is one. At least 2 tokens. */
  readonly page: readonly number[];
  /** What each token of the page is. */
  readonly tokens: readonly TokenInfo[];
  /** Texts of one length for the sink rate (the card's protocol: 100 × 64 tokens). Default: the page itself. */
  readonly texts?: readonly (readonly number[])[];
  /** Leading tokens of each text that controls never move (a BOS). Default 0. */
  readonly fixed?: number;
}

export interface ScanOptions {
  /** A head has a sink when a key receives more than this; the first is the main one. Default [0.3]. */
  readonly epsilons?: readonly number[];
  /** Run the four controls as well, about five times the work. Default false. */
  readonly controls?: boolean;
  /** Tokens from the start of the page whose patterns are kept for looking at, in every head. Default 0: none. */
  readonly patterns?: number;
  /** Seed of the controls. Default 0. */
  readonly seed?: number;
  /** Queries of one run. Default 256. */
  readonly chunk?: number;
  readonly signal?: AbortSignal;
  readonly progress?: (done: number, total: number, what: string) => void;
}

/** What a scan measures; the caller adds where it came from and how long it took. */
export interface ScanFindings
  extends Pick<ScanResult, 'sinkRates' | 'alpha' | 'received' | 'uniform' | 'page' | 'controls' | 'notes'> {
  sinkRatesWindow?: SinkRate[];
}

/** Tokens in one batch of short texts: enough to keep matrix products busy, little enough to bound memory. */
const batchTokens = 2048;

interface Pass {
  readonly rates: SinkRates;
  readonly page: PageCollector;
  readonly patterns: PatternSample[];
}

/**
 * Measures attention sinks in one pass over the weights: every text through a layer before the next layer is read. Column sums, entropy
 * and sink mass are reduced inside the graph; patterns leave it only for the tokens asked for.
 * Throws an InputError for texts of uneven length or a page of fewer than 2 tokens.
 */
export async function scan(model: Model, given: ScanInput, options: ScanOptions = {}): Promise<ScanFindings> {
  const { epsilons = [0.3], controls = false, seed = 0, progress } = options;
  const { page, tokens, texts = [page], fixed = 0 } = given;
  if (page.length < 2) throw new InputError(`scan: expected a text of at least 2 tokens, got ${page.length}`);
  if (tokens.length !== page.length)
    throw new InputError(`scan: expected a description of each of ${page.length} tokens, got ${tokens.length}`);
  if (texts.some(({ length }) => length !== texts[0]!.length || length < 2))
    throw new InputError('scan: the texts of the sink rate must all have the same length, of at least 2 tokens');
  const settings = controls ? controlSettings : [];
  const L = model.decoder.sizes.L;
  const total = L * (1 + settings.length);
  let done = 0;
  const pass = async (
    over: Model,
    name: string,
    change: (ids: readonly number[], index: number) => readonly number[],
    patterns: number,
  ) => {
    const step = () => progress?.(++done, total, name);
    return measure(
      over,
      { page: change(page, -1), tokens, texts: texts.map(change) },
      { ...options, epsilons, patterns },
      step,
    );
  };
  const found = await pass(model, 'scan', (ids) => ids, options.patterns ?? 0);
  const results: Control[] = [];
  for (const { name, tells, ids, weights } of settings) {
    const changed = weights?.(model, seed) ?? model;
    const control = await pass(changed, name, (text, i) => ids(text, fixed, seededRandom(seed * 7919 + i + 1)), 0);
    results.push({
      name,
      tells,
      rates: control.rates.sinkRates,
      received: control.rates.received,
      largestRatio: control.page.largestRatio,
    });
  }
  const finished = found.page.finish(epsilons[0]!);
  const { sinkRates, sinkRatesWindow, alpha, received, uniform } = found.rates;
  return {
    sinkRates,
    ...(sinkRatesWindow ? { sinkRatesWindow } : {}),
    alpha,
    received,
    uniform,
    page: { ...finished.page, patterns: found.patterns },
    controls: results,
    notes: finished.notes,
  };
}

type Measured = Required<Pick<ScanInput, 'page' | 'tokens' | 'texts'>>;

/** One pass: the protocol's texts in batches, the page, and the beginning of the page for its patterns. */
async function measure(
  model: Model,
  { page, tokens, texts }: Measured,
  options: ScanOptions & { epsilons: readonly number[]; patterns: number },
  step: () => void,
): Promise<Pass> {
  const { sizes, blocks } = model.decoder;
  const { H, L } = sizes;
  const T = texts[0]!.length;
  const chunk = options.chunk ?? 256;
  const rows = T > chunk ? 1 : Math.max(1, Math.floor(batchTokens / T));
  // A text that is the page itself is measured once.
  const own = texts.length === 1 && texts[0] === page;
  const groups = own
    ? []
    : Array.from({ length: Math.ceil(texts.length / rows) }, (_, i) => texts.slice(i * rows, (i + 1) * rows));
  const rectangles: Rectangle[] = groups.map((ids) => rectangle({ ids }, sizes));
  const pageAt = rectangles.push(rectangle({ ids: [page] }, sizes)) - 1;
  const looked = Math.min(options.patterns, page.length);
  const patternsAt = looked > 0 ? rectangles.push(rectangle({ ids: [page.slice(0, looked)] }, sizes)) - 1 : -1;
  const engine = new Layerwise(model, {
    chunk,
    signal: options.signal,
    reduce: (batch) =>
      batch === pageAt ? pageReductions : batch === patternsAt ? { wholePattern, sinkMass } : { columnSums, sinkMass },
  });
  const collector = new PageCollector(model, tokens);
  const patterns: PatternSample[] = [];
  const key0 = texts.map(() => ({
    tokens: T,
    columnSums: new Float64Array(L * H),
    firstRow: new Float64Array(L * H).fill(1),
  }));
  for await (const output of engine.run(rectangles)) {
    const { batch, layer, reduced } = output;
    if (batch === patternsAt)
      patterns.push(...packPatterns(layer, H, looked, reduced.wholePattern!.data, reduced.sinkMass?.data));
    if (batch === pageAt) collector.add(output);
    if (batch === pageAt ? own : batch < pageAt) {
      const first = own ? 0 : batch * rows;
      const mass = reduced.sinkMass?.data;
      for (let b = 0; b < rectangles[batch]!.B; b++)
        for (let h = 0; h < H; h++) {
          key0[first + b]!.columnSums[layer * H + h] = reduced.columnSums!.data[(b * H + h) * T]!;
          if (mass) key0[first + b]!.firstRow[layer * H + h] = 1 - mass[(b * H + h) * T]!;
        }
    }
    if (batch === rectangles.length - 1) step();
  }
  const sums = new SinkRateSums({
    tokens: T,
    windows: blocks.map(({ window }) => window ?? null),
    heads: H,
    epsilons: [...options.epsilons],
  });
  for (const text of key0) sums.add(text);
  return { rates: sums.finish(), page: collector, patterns };
}
