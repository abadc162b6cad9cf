import type { Control, HighNormToken, RoundingChange, ScanResult, SinkRate } from '../../measure/result.ts';
import { escapeText, visibleToken } from '../escape.ts';
import { bytes, integer, number, percent, ranges } from '../format.ts';
import { largestRatio, massiveRuns } from '../massive.ts';
import { roundingRows, roundingTitles } from '../rounding.ts';
import { isCausal } from '../words.ts';
import type { Builder } from './dom.ts';

interface Column {
  title: string;
  class?: 'number' | 'token' | 'wide';
}

const numeric = (title: string): Column => ({ title, class: 'number' });

export function htmlTable(
  build: Builder,
  caption: string,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): HTMLElement {
  const { element } = build;
  const head = element(
    'tr',
    {},
    ...columns.map((column) =>
      element('th', { scope: 'col', class: column.class === 'number' ? 'number' : undefined }, column.title),
    ),
  );
  const body = rows.map((row) =>
    element('tr', {}, ...row.map((cell, i) => element('td', { class: columns[i]?.class }, cell))),
  );
  return element(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption },
    element('table', { 'aria-label': caption }, element('thead', {}, head), element('tbody', {}, ...body)),
  );
}

export function rateTable(build: Builder, rates: readonly SinkRate[], caption: string): HTMLElement {
  return htmlTable(
    build,
    caption,
    [
      numeric('epsilon'),
      numeric('sink rate'),
      numeric('± between texts'),
      numeric('texts'),
      numeric('under uniform attention'),
    ],
    rates.map(({ epsilon, rate, uniform }) => [
      String(epsilon),
      percent(rate.mean),
      rate.n > 1 ? percent(rate.deviation) : '–',
      String(rate.n),
      percent(uniform),
    ]),
  );
}

export function sinkTable(build: Builder, { page, model }: ScanResult, caption = 'Sink tokens'): HTMLElement {
  // Primary and secondary are told apart under a causal mask only.
  const kinds = isCausal({ model });
  if (page.sinks.length === 0) return build.element('p', {}, 'No token stands out.');
  return htmlTable(
    build,
    caption,
    [
      numeric('position'),
      { title: 'token', class: 'token' },
      { title: 'role' },
      { title: 'class' },
      numeric('received'),
      numeric('uniform'),
      numeric('excess'),
      numeric('queries'),
      { title: 'layers' },
      ...(kinds ? [{ title: 'kind' }, numeric('cosine to the primary')] : []),
    ],
    page.sinks.map((sink) => [
      String(sink.position),
      visibleToken(sink.text),
      sink.role,
      sink.class,
      percent(sink.received),
      percent(sink.received - sink.excess),
      percent(sink.excess),
      String(sink.queries),
      sink.firstLayer === sink.lastLayer ? String(sink.firstLayer) : `${sink.firstLayer}–${sink.lastLayer}`,
      ...(kinds ? [sink.kind, sink.cosine === undefined ? '–' : sink.cosine.toFixed(3)] : []),
    ]),
  );
}

export function massiveTable(build: Builder, { page, input }: ScanResult): HTMLElement {
  const runs = massiveRuns(page.massive);
  if (runs.length === 0) return build.element('p', {}, 'None.');
  return htmlTable(
    build,
    'Massive activations',
    [
      numeric('dimension'),
      numeric('position'),
      { title: 'token', class: 'token' },
      numeric('largest value'),
      numeric('× median'),
      numeric('in layer'),
      { title: 'layers' },
      { title: 'criterion' },
    ],
    runs
      .slice(0, 12)
      .map(({ dimension, position, peak, layers, massive }) => [
        String(dimension),
        String(position),
        visibleToken(input.page[position]!.text),
        number(peak.value, 4),
        number(peak.ratio),
        String(peak.layer),
        ranges(layers),
        massive ? 'holds' : 'does not hold',
      ]),
  );
}

export function highNormTable(build: Builder, tokens: readonly HighNormToken[]): HTMLElement {
  if (tokens.length === 0) return build.element('p', {}, 'None.');
  return htmlTable(
    build,
    'High-norm tokens',
    [
      numeric('position'),
      { title: 'token', class: 'token' },
      { title: 'role' },
      numeric('norm'),
      numeric('× median'),
      numeric('in layer'),
      { title: 'layers' },
    ],
    tokens
      .slice(0, 32)
      .map(({ position, text, role, norm, ratio, layer, firstLayer, lastLayer }) => [
        String(position),
        visibleToken(text),
        role,
        number(norm),
        number(ratio, 2),
        String(layer),
        firstLayer === lastLayer ? String(firstLayer) : `${firstLayer}–${lastLayer}`,
      ]),
  );
}

export function controlTable(build: Builder, result: ScanResult): HTMLElement {
  const [main] = result.sinkRates;
  const rateOf = (control: Control) => control.rates.find((rate) => rate.epsilon === main?.epsilon) ?? control.rates[0];
  const row = (name: string, rate: SinkRate | undefined, ratio: string, tells: string) => [
    escapeText(name),
    rate === undefined ? '–' : percent(rate.rate.mean),
    rate === undefined ? '–' : percent(rate.uniform),
    ratio,
    escapeText(tells),
  ];
  return htmlTable(
    build,
    'Controls',
    [
      { title: '' },
      numeric(`sink rate (${main?.epsilon ?? '–'})`),
      numeric('uniform'),
      numeric('largest / median'),
      { title: 'what it tells', class: 'wide' },
    ],
    [
      row('the model itself', main, number(largestRatio(result), 2), ''),
      ...result.controls.map((control) =>
        row(control.name, rateOf(control), number(control.largestRatio, 2), control.tells),
      ),
    ],
  );
}

export function provenance(build: Builder, { model, input, run, sinklab, date }: ScanResult): HTMLElement {
  const { format, revision, dtypes, ropePairing, files } = model.provenance;
  const safe = (...texts: string[]) => texts.filter(Boolean).map(escapeText).join(' · ');
  const facts: [string, string][] = [
    ['model', safe(model.source, model.family)],
    [
      'shape',
      `${model.layers} layers, ${model.heads} heads, ${model.keyValueHeads} key/value heads, head width ${model.headWidth}, model width ${model.modelWidth}, vocabulary ${integer(model.vocabulary)}, ${integer(model.parameters)} parameters`,
    ],
    ['format', safe(format, dtypes.join(', '), revision ? `revision ${revision}` : '')],
    ['RoPE', safe(ropePairing)],
    ...files.map((file): [string, string] => [
      'file',
      `${safe(file.name)} · ${bytes(file.bytes)} · sha256 ${safe(file.sha256) || 'not computed'}`,
    ]),
    ['text', safe(input.source)],
    ['first ids', `${input.firstIds.join(' ')} (BOS ${input.bos}, ${input.bosAdded ? 'added' : 'not added'})`],
    [
      'run',
      `${safe(run.runtime, run.device)} · ${run.threads} threads · ${number(run.seconds)} s · peak memory ${bytes(run.peakBytes)}`,
    ],
    ['written', safe(`sinklab ${sinklab}`, date)],
  ];
  const { element } = build;
  return element('dl', {}, ...facts.flatMap(([name, fact]) => [element('dt', {}, name), element('dd', {}, fact)]));
}

/** What rounding the weights changed. */
export function roundingTable(build: Builder, rounding: RoundingChange): HTMLElement {
  const [first, ...titles] = roundingTitles;
  return htmlTable(
    build,
    `Figures of weights rounded to ${rounding.weights}`,
    [{ title: first }, ...titles.map((title) => ({ title, class: 'number' as const }))],
    roundingRows(rounding).map(([name, ...cells]) => [escapeText(name!), ...cells]),
  );
}
