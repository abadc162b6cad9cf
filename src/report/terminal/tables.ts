import type { Control, ScanResult, SinkRate } from '../../measure/result.ts';
import { escapeText, visibleToken } from '../escape.ts';
import { number, percent, ranges } from '../format.ts';
import { largestRatio, massiveRuns, placesSentence } from '../massive.ts';
import { isCausal } from '../words.ts';
import type { Paint } from './paint.ts';
import { type Column, table, wrap } from './text.ts';

/** A table with its titles dimmed. */
export function titled(columns: readonly Column[], rows: readonly (readonly string[])[], it: Paint): string[] {
  const [head, ...body] = table(columns, rows, it.width);
  return [it.style.dim(head!), ...body];
}

export function rateTable(rates: readonly SinkRate[], it: Paint): string[] {
  return titled(
    [
      { title: 'epsilon', align: 'right' },
      { title: 'sink rate', align: 'right' },
      { title: '± between texts', align: 'right', drop: 1 },
      { title: 'texts', align: 'right', drop: 2 },
      { title: 'uniform', align: 'right' },
    ],
    rates.map(({ epsilon, rate, uniform }) => [
      String(epsilon),
      percent(rate.mean),
      rate.n > 1 ? percent(rate.deviation) : '–',
      String(rate.n),
      percent(uniform),
    ]),
    it,
  );
}

export function sinkTable({ page, model }: ScanResult, it: Paint): string[] {
  if (page.sinks.length === 0) return ['No token stands out.'];
  const cosines = page.sinks.some((sink) => sink.cosine !== undefined);
  return titled(
    [
      { title: '' },
      { title: 'position', align: 'right' },
      { title: 'token', least: 14 },
      { title: 'role', drop: 2 },
      { title: 'class', drop: 3 },
      { title: 'received', align: 'right' },
      { title: 'uniform', align: 'right', drop: 1 },
      { title: 'excess', align: 'right' },
      { title: 'layers', drop: 0 },
      // Primary and secondary are told apart under a causal mask only.
      ...(isCausal({ model }) ? [{ title: 'kind' }] : []),
      ...(cosines ? [{ title: 'cosine', align: 'right', drop: 4 } as const] : []),
    ],
    page.sinks.map((sink, i) => [
      i < 9 ? String(i + 1) : '',
      String(sink.position),
      visibleToken(sink.text),
      sink.role,
      sink.class,
      percent(sink.received),
      percent(sink.received - sink.excess),
      percent(sink.excess),
      sink.firstLayer === sink.lastLayer ? String(sink.firstLayer) : `${sink.firstLayer}–${sink.lastLayer}`,
      ...(isCausal({ model }) ? [sink.kind] : []),
      sink.cosine === undefined ? '' : sink.cosine.toFixed(2),
    ]),
    it,
  );
}

/** One line for each token of high norm, at most `most`; nothing where they are not looked for. */
export function highNormLines({ page }: ScanResult, it: Paint, most = 8): string[] {
  if (page.highNorm === undefined) return [];
  if (page.highNorm.length === 0) return ['None on the page.'];
  const table = titled(
    [
      { title: 'position', align: 'right' },
      { title: 'token', least: 14 },
      { title: 'role', drop: 1 },
      { title: 'norm', align: 'right' },
      { title: '× median', align: 'right' },
      { title: 'in layer', align: 'right', drop: 2 },
      { title: 'layers', drop: 0 },
    ],
    page.highNorm
      .slice(0, most)
      .map((token) => [
        String(token.position),
        visibleToken(token.text),
        token.role,
        number(token.norm),
        number(token.ratio, 2),
        String(token.layer),
        token.firstLayer === token.lastLayer ? String(token.firstLayer) : `${token.firstLayer}–${token.lastLayer}`,
      ]),
    it,
  );
  const rest = page.highNorm.length - most;
  return rest > 0 ? [...table, it.style.dim(`… and ${rest} more`)] : table;
}

/** One line for each huge number, at most `most`. */
export function massiveLines(result: ScanResult, it: Paint, most = 4): string[] {
  const { page, input } = result;
  const runs = massiveRuns(page.massive);
  const overTexts = wrap(placesSentence(result), it.width).filter(Boolean);
  if (runs.length === 0) return ['None on the page.', ...overTexts];
  const lines = runs.slice(0, most).flatMap(({ position, dimension, layers, peak, massive }) => {
    const token = visibleToken(input.page[position]!.text);
    const weak = massive ? '' : ' (below the criterion)';
    return wrap(
      `${number(peak.value)} in dimension ${dimension} of token ${position} ${token}: ${number(peak.ratio, 2)} × the median, layers ${ranges(layers)}${weak}`,
      it.width,
      '  ',
      '',
    );
  });
  if (runs.length > most) lines.push(it.style.dim(`… and ${runs.length - most} smaller`));
  if (page.written !== null)
    lines.push(
      ...wrap(
        `Written by the block of layer ${page.written}, ${page.erased === null ? 'never erased' : `erased by that of layer ${page.erased}`}.`,
        it.width,
      ),
    );
  return [...lines, ...overTexts];
}

export function controlTable(result: ScanResult, it: Paint): string[] {
  const [main] = result.sinkRates;
  const row = (name: string, rate: SinkRate | undefined, ratio: number) => [
    escapeText(name),
    rate === undefined ? '–' : percent(rate.rate.mean),
    rate === undefined ? '–' : percent(rate.uniform),
    number(ratio, 2),
  ];
  const rateOf = (control: Control) => control.rates.find((rate) => rate.epsilon === main?.epsilon) ?? control.rates[0];
  const [head, own, ...rows] = titled(
    [
      { title: '' },
      { title: `sink rate (${main?.epsilon ?? '–'})`, align: 'right' },
      { title: 'uniform', align: 'right' },
      { title: 'largest / median', align: 'right', drop: 1 },
    ],
    [
      row('the model itself', main, largestRatio(result)),
      ...result.controls.map((control) => row(control.name, rateOf(control), control.largestRatio)),
    ],
    it,
  );
  const tells = result.controls.map((control) => wrap(escapeText(control.tells), it.width, '  ').map(it.style.dim));
  return [head!, own!, ...rows.flatMap((line, i) => [line, ...tells[i]!])];
}
