import type { RowSums } from '../attention/mechanism.ts';
import { InputError } from '../error.ts';
import { rectangle } from '../models/input.ts';
import { Layerwise, type Reductions } from '../models/layerwise.ts';
import type { Model } from '../models/model.ts';
import { seededRandom } from '../random.ts';
import { Collection } from './collection.ts';
import { controlSettings } from './controls.ts';
import { detectMassive } from './massive-detector.ts';
import type { Measurement } from './measurement.ts';
import { measurement as massiveActivations } from './measurements/massive-activations.ts';
import { measurement as massivePlaces } from './measurements/massive-places.ts';
import { measurement as sinkRate } from './measurements/sink-rate.ts';
import { pageOf } from './page.ts';
import { packPatterns } from './patterns.ts';
import { sinkMass, wholePattern } from './reductions.ts';
import { measurements } from './registry.ts';
import type { Control, HeadMap, PatternSample, ScanResult, TokenInfo } from './result.ts';

export interface ScanInput {
  /** Ids of one text to look at, BOS included where there is one. At least 2 tokens. */
  readonly page: readonly number[];
  /** What each token of the page is. */
  readonly tokens: readonly TokenInfo[];
  /** Texts of one length, of at least 2 tokens, for the sink rate (the card's protocol: 100 × 64 tokens). Default: the page itself. */
  readonly texts?: readonly (readonly number[])[];
  /** Leading tokens of each text that controls never move (a BOS). Default 0. */
  readonly fixed?: number;
}

export interface ScanOptions {
  /** A head has a sink when a key receives more than this, in (0, 1); the first is the main one. Default [0.3]. */
  readonly epsilons?: readonly number[];
  /** Run the four controls as well, about five times the work. Default false. */
  readonly controls?: boolean;
  /** Tokens from the start of the page whose patterns are kept for looking at, in every head. Default 0: none. */
  readonly patterns?: number;
  /** Seed of the controls, a whole number. Default 0. */
  readonly seed?: number;
  /** Queries of one run. Default 256. */
  readonly chunk?: number;
  /** Stops the scan at the next chunk; it then throws the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called after each layer: steps done, steps in all, and what runs ('scan' or the control's name). */
  readonly progress?: (done: number, total: number, what: string) => void;
}

/** What a scan measures; the caller adds where it came from and how long it took. */
export type ScanFindings = Pick<
  ScanResult,
  'sinkRates' | 'alpha' | 'received' | 'uniform' | 'page' | 'controls' | 'notes'
> &
  Partial<Pick<ScanResult, 'sinkRatesWindow' | 'massiveTexts'>>;

/** Tokens in one batch of short texts: enough to keep matrix products busy, little enough to bound memory. */
export const batchTokens = 2048;

const overTexts = measurements.filter(({ over }) => over === 'texts');
const overPage = measurements.filter(({ over }) => over === 'page');

/**
 * Measures attention sinks in one pass over the weights, and one more for each control: every text through a layer before the next
 * layer is read. What can be is reduced inside the graph; patterns leave it only for the tokens asked for.
 *
 * @throws InputError for texts of uneven length, a text of fewer than 2 tokens, or an epsilon outside (0, 1); RunError when the
 *   model's numbers are not finite.
 */
export async function scan(model: Model, given: ScanInput, options: ScanOptions = {}): Promise<ScanFindings> {
  const { epsilons = [0.3], seed = 0, patterns = 0, progress } = options;
  const { page, tokens, texts = [], fixed = 0 } = given;
  checkInput(page, tokens, given.texts);
  checkPatterns(model);
  const proxied = layersWithRows(model, 'any');
  const settings = options.controls ? controlSettings : [];
  const total = model.decoder.sizes.L * (1 + settings.length);
  let done = 0;
  const pass = (over: Model, name: string, what: Omit<PassInput, 'epsilons'>) =>
    runPass(over, { ...what, epsilons }, options, () => progress?.(++done, total, name));

  const own = await pass(model, 'scan', { page, texts, patterns, overPage, overTexts });
  const { page: measured, notes } = pageOf(own.page, tokens);
  const controls: Control[] = [];
  for (const { name, tells, ids, weights } of settings) {
    const change = (text: readonly number[], index: number) => ids(text, fixed, seededRandom(seed * 7919 + index));
    const control = await pass(weights?.(model, seed) ?? model, name, {
      page: change(page, 0),
      texts: texts.map((text, i) => change(text, i + 1)),
      patterns: 0,
      overPage: [massiveActivations],
      overTexts: [sinkRate],
    });
    const { sinkRates, received } = control.texts.found(sinkRate);
    const { largestRatio } = detectMassive(control.page.found(massiveActivations));
    controls.push({ name, tells, rates: sinkRates, received: finiteMap(received), largestRatio });
  }
  const { sinkRates, sinkRatesWindow, alpha, received, uniform } = own.texts.found(sinkRate);
  return {
    sinkRates,
    ...(sinkRatesWindow ? { sinkRatesWindow } : {}),
    alpha,
    received: finiteMap(received),
    uniform: uniform.map(finite),
    ...(texts.length > 0 ? { massiveTexts: own.texts.found(massivePlaces) } : {}),
    page: { ...measured, patterns: own.patterns },
    controls,
    notes: proxied.length === 0 ? notes : [...notes, proxyNote(proxied)],
  };
}

const proxyNote = (layers: readonly number[]) =>
  `Rows of the linear attention of layers ${layers.join(', ')} sum to anything; they are measured as |w| / Σ|w|.`;

const layersWithRows = ({ decoder }: Model, rows: RowSums) =>
  decoder.blocks.flatMap((block, layer) => (block.rows === rows ? [layer] : []));

function checkPatterns(model: Model): void {
  const without = layersWithRows(model, 'none');
  if (without.length > 0)
    throw new InputError(
      `scan: layers ${without.join(', ')} of ${model.decoder.family} read a state and have no attention pattern; a scan needs one in every layer. Patterns of the other layers can be captured`,
    );
}

function checkInput(page: ScanInput['page'], tokens: ScanInput['tokens'], texts: ScanInput['texts']): void {
  if (page.length < 2) throw new InputError(`scan: expected a page of at least 2 tokens, got ${page.length}`);
  if (tokens.length !== page.length)
    throw new InputError(`scan: expected a description of each of ${page.length} tokens, got ${tokens.length}`);
  if (!texts) return;
  const [first] = texts;
  if (!first)
    throw new InputError(
      'scan: expected at least one text for the sink rate, got none; leave texts out to use the page',
    );
  if (first.length < 2) throw new InputError(`scan: expected texts of at least 2 tokens, got ${first.length}`);
  const other = texts.findIndex(({ length }) => length !== first.length);
  if (other >= 0)
    throw new InputError(
      `scan: the texts of the sink rate must have one length: text 0 has ${first.length} tokens, text ${other} has ${texts[other]!.length}`,
    );
}

interface PassInput {
  readonly page: readonly number[];
  /** None: the page is the only text. */
  readonly texts: readonly (readonly number[])[];
  readonly patterns: number;
  readonly overPage: readonly Measurement[];
  readonly overTexts: readonly Measurement[];
  readonly epsilons: readonly number[];
}

interface Pass {
  readonly texts: Collection;
  readonly page: Collection;
  readonly patterns: PatternSample[];
}

/** One pass over the weights: the texts in batches, the page, and the beginning of the page for its patterns. */
async function runPass(
  model: Model,
  { page, texts, patterns, overPage, overTexts, epsilons }: PassInput,
  { chunk = 256, signal }: ScanOptions,
  step: () => void,
): Promise<Pass> {
  const { sizes, blocks } = model.decoder;
  const windows = blocks.map(({ window }) => window ?? null);
  const setting = (tokens: number) => ({ tokens, sizes, windows, epsilons });
  const T = texts[0]?.length ?? page.length;
  const ofTexts = new Collection(overTexts, setting(T));
  const ofPage = new Collection(overPage, setting(page.length));
  const samples: PatternSample[] = [];

  const jobs: Job[] = [];
  const rows = T > chunk ? 1 : Math.max(1, Math.floor(batchTokens / T));
  for (let first = 0; first < texts.length; first += rows)
    jobs.push({ ids: texts.slice(first, first + rows), to: [{ collection: ofTexts, first }] });
  // Without texts the page is measured once, for both.
  jobs.push({
    ids: [page],
    to: [ofPage, ...(texts.length === 0 ? [ofTexts] : [])].map((collection) => ({ collection })),
  });
  const looked = Math.min(patterns, page.length);
  const patternsAt = looked > 0 ? jobs.push({ ids: [page.slice(0, looked)], to: [] }) - 1 : -1;

  const engine = new Layerwise(model, {
    chunk,
    signal,
    reduce: (batch) => (batch === patternsAt ? { wholePattern, sinkMass } : reductionsOf(jobs[batch]!)),
  });
  for await (const output of engine.run(jobs.map(({ ids }) => rectangle({ ids }, sizes)))) {
    const { batch, layer, reduced } = output;
    for (const { collection, first } of jobs[batch]!.to) collection.add(output, first);
    if (batch === patternsAt)
      samples.push(...packPatterns(layer, sizes.H, looked, reduced.wholePattern!.data, reduced.sinkMass?.data));
    if (batch === jobs.length - 1) step();
  }
  return { texts: ofTexts, page: ofPage, patterns: samples };
}

/** Texts that go through a layer together, and where their figures are collected. */
interface Job {
  readonly ids: readonly (readonly number[])[];
  readonly to: readonly { readonly collection: Collection; readonly first?: number }[];
}

const reductionsOf = ({ to }: Job): Reductions =>
  Object.assign({}, ...to.map(({ collection }) => collection.reductions));

/** Where a window of one token leaves no query beside a key's own there is no mean; it is shown as 0. */
const finite = (value: number) => (Number.isFinite(value) ? value : 0);
const finiteMap = (map: HeadMap): HeadMap => map.map((heads) => heads.map(finite));
