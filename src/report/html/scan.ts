import type { ScanResult, SinkRate } from '../../measure/result.ts';
import { escapeText } from '../escape.ts';
import { number } from '../format.ts';
import { placesSentence } from '../massive.ts';
import { hasGaps } from '../words.ts';
import { crossSection } from './cross.ts';
import { pageData } from './data.ts';
import { type Builder, builder } from './dom.ts';
import { layerPlots, ratePlot } from './plots.ts';
import { pageScript } from './script.ts';
import { shell } from './shell.ts';
import { stripSection } from './strip.ts';
import {
  controlTable,
  highNormTable,
  massiveTable,
  provenance,
  rateTable,
  roundingTable,
  sinkTable,
} from './tables.ts';

/**
 * A scan as one self-contained page: it loads nothing, runs one script of ours, and shows every text of model or prompt as text.
 * The result must have passed `parseScanResult` or come from a scan.
 */
export async function renderHtml(result: ScanResult): Promise<string> {
  const build = builder();
  const { element, document } = build;
  const { model, input, page } = result;
  const title = `Attention sinks of ${escapeText(model.source)}`;
  document.body.append(
    element(
      'header',
      {},
      element('h1', {}, title),
      element(
        'p',
        { class: 'soft' },
        `${escapeText(model.family)} · ${model.layers} layers × ${model.heads} heads · ${number(model.parameters / 1e6)} M parameters · ${escapeText(result.date.slice(0, 10))}`,
      ),
      element('div', { class: 'summary' }, ...result.summary.map((sentence) => element('p', {}, escapeText(sentence)))),
      ...result.notes.map((note) => element('p', { class: 'note' }, escapeText(note))),
      element(
        'noscript',
        {},
        element('p', {}, 'Sink map, tokens and patterns below need this page’s script; curves and tables do not.'),
      ),
    ),
    element('div', { class: 'pair' }, mapSection(build), patternSection(build, page.learnedSink !== undefined)),
    stripSection(build, result),
    section(
      build,
      'Sink tokens',
      'Keys of the page ranked by the attention they receive beyond uniform attention.',
      sinkTable(build, result),
    ),
    ...(page.cross ? [crossSection(build, result, page.cross)] : []),
    section(
      build,
      'Layer by layer',
      `The page of ${input.page.length} tokens; the top sink beside the mean over the other tokens.`,
      element('div', { class: 'grid' }, ...layerPlots(build, result)),
    ),
    ...(page.highNorm
      ? [
          section(
            build,
            'High-norm tokens',
            'Tokens whose residual after some block is longer than the mean of the ordinary tokens by three standard deviations and at least twice their median (arXiv 2309.16588, 2506.08010); dotted above.',
            highNormTable(build, page.highNorm),
          ),
        ]
      : []),
    section(build, 'Massive activations', writtenAndErased(result), massiveTable(build, result)),
    section(
      build,
      'Sink rate',
      `Share of heads${hasGaps(result) ? ' that have a pattern' : ''} whose mean attention to key 0 is above epsilon (Gu et al., arXiv 2410.10781), beside its value if attention were uniform over the visible keys.`,
      element(
        'div',
        { class: 'pair even' },
        ...rates(
          build,
          result.sinkRates,
          result.sinkRatesWindow
            ? 'Layers with full attention'
            : hasGaps(result)
              ? 'Layers with a pattern'
              : 'All layers',
        ),
        ...(result.sinkRatesWindow ? rates(build, result.sinkRatesWindow, 'Layers with a sliding window') : []),
      ),
    ),
    ...(result.rounding
      ? [
          section(
            build,
            `Rounded to ${result.rounding.weights}`,
            'This scan beside one of the weights as stored, of the same texts; measurements as means over layers.',
            roundingTable(build, result.rounding),
          ),
        ]
      : []),
    ...(result.controls.length > 0
      ? [
          section(
            build,
            'Controls',
            'The same measurement where the sink should, or should not, survive.',
            controlTable(build, result),
          ),
        ]
      : []),
    section(build, 'Provenance', undefined, provenance(build, result)),
  );
  return shell({ title, body: document.body, script: pageScript(), data: await pageData(result) });
}

function section(
  { element }: Builder,
  title: string,
  about: string | undefined,
  ...content: HTMLElement[]
): HTMLElement {
  return element(
    'section',
    {},
    element('h2', {}, title),
    about === undefined ? null : element('p', { class: 'soft' }, about),
    ...content,
  );
}

function rates(build: Builder, values: readonly SinkRate[], title: string): HTMLElement[] {
  return [ratePlot(build, values, title), rateTable(build, values, `Sink rates: ${title}`)];
}

function writtenAndErased(result: ScanResult): string {
  const { page } = result;
  const overTexts = placesSentence(result);
  if (page.written === null)
    return `Entries of the residual far above all others (Sun et al., arXiv 2402.17762): no layer of the page writes one. ${overTexts}`;
  const erased = page.erased === null ? 'no layer erases it' : `that of layer ${page.erased} erases it`;
  return `Entries of the residual far above all others (Sun et al., arXiv 2402.17762). The block of layer ${page.written} writes the first, ${erased}. ${overTexts}`;
}

function mapSection({ element }: Builder): HTMLElement {
  return element(
    'section',
    {},
    element('h2', {}, 'Sink map'),
    element('p', { class: 'soft', id: 'map-about' }),
    element(
      'div',
      { class: 'controls' },
      element('label', {}, 'show ', element('select', { id: 'map-choice', 'aria-label': 'quantity of the map' })),
    ),
    element(
      'div',
      { id: 'map' },
      element('canvas', {
        id: 'map-canvas',
        tabindex: 0,
        role: 'application',
        'aria-label': 'Heat map, layers down and heads across. Arrow keys choose a head; its value is read out below.',
      }),
    ),
    element('output', { id: 'map-output', 'aria-live': 'polite' }),
    rampLegend(element),
    element(
      'details',
      { id: 'map-details' },
      element('summary', {}, 'The map as a table'),
      element('div', { class: 'scroll', id: 'map-table' }),
    ),
  );
}

function rampLegend(element: Builder['element']): HTMLElement {
  return element(
    'div',
    { class: 'controls soft' },
    element('span', { id: 'ramp-least' }),
    element('canvas', {
      id: 'ramp',
      class: 'ramp',
      width: 256,
      height: 10,
      role: 'img',
      'aria-label': 'viridis, from 0 to the largest value of the scale',
    }),
    element('span', { id: 'ramp-most' }),
    element(
      'span',
      { id: 'map-none' },
      element('span', { class: 'swatch none' }),
      ' ',
      element('span', { id: 'map-none-text' }),
    ),
    element('span', { id: 'map-sampled' }),
  );
}

function patternSection({ element }: Builder, learned: boolean): HTMLElement {
  const about = `Attention of each query (down) over the keys it sees (across)${learned ? ', the learned sink as a column of its own' : ''}. A pixel that covers several cells shows their largest.`;
  return element(
    'section',
    {},
    element('h2', {}, 'Pattern: ', element('span', { id: 'pattern-title' })),
    element('p', { class: 'soft' }, about),
    element(
      'div',
      { class: 'controls', id: 'pattern-controls' },
      element(
        'label',
        {},
        'head ',
        element('select', { id: 'pattern-head', 'aria-label': 'head whose pattern is shown' }),
      ),
      element('button', { id: 'pattern-in', type: 'button', 'aria-label': 'zoom in' }, '+'),
      element('button', { id: 'pattern-out', type: 'button', 'aria-label': 'zoom out' }, '−'),
      element('button', { id: 'pattern-all', type: 'button' }, 'all'),
      element(
        'label',
        {},
        element('input', { id: 'pattern-stretch', type: 'checkbox', checked: true }),
        'square-root colours',
      ),
    ),
    element(
      'div',
      { id: 'pattern' },
      element('canvas', {
        id: 'pattern-canvas',
        tabindex: 0,
        role: 'application',
        'aria-label':
          'Attention pattern, queries down and keys across. Arrow keys move the cell that is read out below, plus and minus zoom.',
      }),
    ),
    element('output', { id: 'pattern-output', 'aria-live': 'polite' }),
  );
}
