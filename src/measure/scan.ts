import type { RowSums } from '../attention/mechanism.ts';
import { InputError } from '../error.ts';
import { feed } from '../models/feed.ts';
import type { Model } from '../models/model.ts';
import { readsTokens } from '../models/stack.ts';
import { seededRandom } from '../random.ts';
import { controlSettings } from './controls.ts';
import { detectMassive } from './massive-detector.ts';
import { measurement as massiveActivations } from './measurements/massive-activations.ts';
import { measurement as massivePlaces } from './measurements/massive-places.ts';
import { measurement as sinkRate } from './measurements/sink-rate.ts';
import { pageOf } from './page.ts';
import { measurements } from './registry.ts';
import type { Control, HeadMap, ScanResult, TokenInfo } from './result.ts';
import { batchOf, type PassInput, runPass, type Single } from './scan-pass.ts';
import { layerList } from './summary-words.ts';

export interface ScanInput {
  /** One text to look at, as ids with BOS where there is one, or a batch of one text, picture or spectrogram. At least 2 positions. */
  readonly page: Single;
  /** What each position of the page is. */
  readonly tokens: readonly TokenInfo[];
  /** What each position of the memory is, where the page has one: then attention to it is measured as well. Default: it is not. */
  readonly keys?: readonly TokenInfo[];
  /** Texts (pictures, spectrograms) of one length, of at least 2 positions, for the sink rate (the card's protocol: 100 × 64 tokens). Default: the page itself. */
  readonly texts?: readonly Single[];
  /** Leading tokens of each text that controls never move (a BOS). Default 0. */
  readonly fixed?: number;
  /** Tokens at its end that they never move (a separator). Default 0. */
  readonly fixedEnd?: number;
}

export interface ScanOptions {
  /** A head has a sink when a key receives more than this, in (0, 1); the first is the main one. Default [0.3]. */
  readonly epsilons?: readonly number[];
  /** Run the four controls as well, about five times the work; those that shuffle tokens only where there are tokens. Default false. */
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

const overTexts = measurements.filter(({ over }) => over === 'texts');
const overPage = measurements.filter(({ over }) => over === 'page');

/**
 * Measures attention sinks in one pass over the weights, and one more for each control: every text through a layer before the next
 * layer is read. What can be is reduced inside the graph; patterns leave it only for the tokens asked for. Layers without an attention
 * pattern are null in every map, and sink rates are over the others.
 *
 * @throws InputError for texts of uneven length, a text of fewer than 2 tokens, an epsilon outside (0, 1), or a model without any attention
 *   pattern; RunError when the model's numbers are not finite.
 */
export async function scan(model: Model, given: ScanInput, options: ScanOptions = {}): Promise<ScanFindings> {
  const { epsilons = [0.3], seed = 0, patterns = 0, progress } = options;
  const { page, tokens, texts = [] } = given;
  checkPatterns(model);
  checkInput(model, page, tokens, given.texts);
  const movable = [page, ...texts].every((text) => 'length' in text || 'ids' in text);
  const settings = options.controls ? controlSettings.filter(({ weights }) => weights || movable) : [];
  const total = model.stack.sizes.L * (1 + settings.length);
  let done = 0;
  const pass = (over: Model, name: string, what: Omit<PassInput, 'epsilons'>) =>
    runPass(over, { ...what, epsilons }, options, () => progress?.(++done, total, name));

  const own = await pass(model, 'scan', {
    page,
    texts,
    patterns,
    overPage,
    overTexts,
    cross: given.keys !== undefined,
  });
  const { page: measured, notes } = pageOf(own.page, tokens);
  const controls: Control[] = [];
  for (const { name, tells, ids, weights } of settings) {
    const change = (text: Single, index: number) =>
      changed(text, given, (row, fixed) => ids(row, fixed, seededRandom(seed * 7919 + index)));
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
    uniform: uniform.map((value) => (value === null ? null : finite(value))),
    ...(texts.length > 0 ? { massiveTexts: own.texts.found(massivePlaces) } : {}),
    page: {
      ...measured,
      patterns: own.patterns,
      ...(given.keys && own.cross ? { cross: own.cross.finish(given.keys) } : {}),
    },
    controls,
    notes: [...notes, ...patternNotes(model)],
  };
}

const layersWithRows = ({ stack }: Model, rows: RowSums) =>
  stack.blocks.flatMap((block, layer) => (block.rows === rows ? [layer] : []));

/** What a reader must know of layers whose rows are no ordinary pattern. */
function patternNotes(model: Model): string[] {
  const [proxied, without] = [layersWithRows(model, 'any'), layersWithRows(model, 'none')];
  const compressed = model.stack.blocks.flatMap(({ tokensPerEntry }, layer) => (tokensPerEntry ? [layer] : []));
  const others = model.stack.blocks.flatMap((_, layer) => (without.includes(layer) ? [] : [layer]));
  const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
  return [
    ...(proxied.length === 0
      ? []
      : [
          `Rows of the linear attention of layers ${proxied.join(', ')} sum to anything; they are measured as |w| / Σ|w|.`,
        ]),
    ...(compressed.length === 0
      ? []
      : [
          `${capital(layerList(compressed))} see${compressed.length === 1 ? 's' : ''} compressed entries of the text beside its tokens; weights are those of the tokens, and rows lack the share of the entries.`,
        ]),
    ...(without.length === 0
      ? []
      : [
          `${capital(layerList(without))} read${without.length === 1 ? 's' : ''} a state and ${without.length === 1 ? 'has' : 'have'} no attention pattern: the heads are n/a there, and sink rates are over the heads of ${layerList(others)}. Residuals are measured in all layers.`,
        ]),
  ];
}

function checkPatterns(model: Model): void {
  const { family, sizes } = model.stack;
  if (layersWithRows(model, 'none').length < sizes.L) return;
  throw new InputError(
    `scan: every layer of ${family} reads a state; without an attention pattern in some layer there is no sink to measure`,
  );
}

/** A text under a control, its first and last tokens in their places; what is no text stays as it is. */
function changed(
  text: Single,
  { fixed = 0, fixedEnd = 0 }: Pick<ScanInput, 'fixed' | 'fixedEnd'>,
  change: (ids: readonly number[], fixed: number) => number[],
): Single {
  const row = (ids: readonly number[]) => {
    const end = Math.max(fixed, ids.length - fixedEnd);
    return [...change(ids.slice(0, end), fixed), ...ids.slice(end)];
  };
  if ('length' in text) return row(text);
  return 'ids' in text ? { ...text, ids: text.ids.map(row) } : text;
}

function checkInput(
  { stack }: Model,
  page: ScanInput['page'],
  tokens: ScanInput['tokens'],
  texts: ScanInput['texts'],
): void {
  const length = (what: string, text: Single): number => {
    if ('length' in text) return text.length;
    const { B, T, real } = feed(stack, batchOf(text));
    if (B !== 1 || real) throw new InputError(`scan: expected ${what} as a batch of one without padding, got ${B}`);
    return T;
  };
  const T = length('the page', page);
  const most = (readsTokens(stack) ? stack.embeddedPositions : undefined) ?? Number.POSITIVE_INFINITY;
  const fits = (what: string, length: number) => {
    if (length > most)
      throw new InputError(
        `scan: ${stack.family} has learned ${most} positions, ${what} has ${length} tokens; give a shorter one`,
      );
  };
  fits('the page', T);
  if (T < 2) throw new InputError(`scan: expected a page of at least 2 tokens, got ${T}`);
  if (tokens.length !== T)
    throw new InputError(`scan: expected a description of each of ${T} tokens, got ${tokens.length}`);
  if (!texts) return;
  if (texts.length === 0)
    throw new InputError(
      'scan: expected at least one text for the sink rate, got none; leave texts out to use the page',
    );
  const lengths = texts.map((text, i) => length(`text ${i}`, text));
  const first = lengths[0]!;
  fits('text 0', first);
  if (first < 2) throw new InputError(`scan: expected texts of at least 2 tokens, got ${first}`);
  const other = lengths.findIndex((one) => one !== first);
  if (other >= 0)
    throw new InputError(
      `scan: the texts of the sink rate must have one length: text 0 has ${first} tokens, text ${other} has ${lengths[other]}`,
    );
}

/** Where a window of one token leaves no query beside a key's own there is no mean; it is shown as 0. */
const finite = (value: number) => (Number.isFinite(value) ? value : 0);
const finiteMap = (map: HeadMap): HeadMap => map.map((heads) => heads?.map(finite) ?? null);
