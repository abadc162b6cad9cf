import type { ScanResult } from '../../measure/result.ts';
import { escapeText } from '../escape.ts';
import { bytes, integer, mean, number, percent } from '../format.ts';
import { layerMarks } from '../marks.ts';
import { hasGaps, keyZero, withoutRow0 } from '../words.ts';
import { crossLines } from './cross.ts';
import { headMap } from './map.ts';
import { measuredLines } from './measured.ts';
import { type Paint, paint, type TerminalOptions } from './paint.ts';
import { roundingTable } from './rounding.ts';
import { tokenStrip } from './strip.ts';
import { controlTable, highNormLines, massiveLines, rateTable, sinkTable } from './tables.ts';
import { wrap } from './text.ts';

/**
 * A scan as text for a terminal: what it says, the sink map, the page, the sinks, massive activations, controls, provenance.
 * Everything that came from a model or a text is escaped. Pure: the same result and options give the same text, which ends with a newline.
 */
export function renderScan(result: ScanResult, options: TerminalOptions = {}): string {
  const it = paint(options);
  const { model, input } = result;
  const section = (title: string, lines: string[], about?: string) =>
    lines.length === 0
      ? []
      : [
          '',
          ...wrap(title, it.width).map(it.style.bold),
          ...(about ? wrap(about, it.width).map(it.style.dim) : []),
          '',
          ...lines,
        ];
  const protocol = input.protocol;
  const texts = protocol
    ? `${protocol.texts} texts of ${protocol.tokens} tokens`
    : `the page of ${input.page.length} tokens`;
  const lines = [
    ...wrap(escapeText(model.source), it.width).map(it.style.bold),
    ...wrap(
      `${escapeText(model.family)} · ${model.layers} layers × ${model.heads} heads (${model.keyValueHeads} key/value) · ${number(model.parameters / 1e6)} M parameters`,
      it.width,
    ).map(it.style.dim),
    '',
    ...result.summary.flatMap((sentence) => wrap(escapeText(sentence), it.width)),
    ...result.notes.flatMap((note) => wrap(escapeText(note), it.width, '  ', '! ').map(it.style.yellow)),
    ...section(
      'Sink map',
      headMap(result.received, it, layerMarks(result)),
      `Mean attention to ${keyZero(result)}${withoutRow0(result)}, over ${texts}; uniform attention would give ${uniformRange(result)}.`,
    ),
    ...section(
      'Sink rate',
      rateTable(result.sinkRates, it),
      `Share of heads${hasGaps(result) ? ' that have a pattern' : ''} whose mean attention to key 0 is above epsilon.`,
    ),
    ...(result.sinkRatesWindow
      ? section('Sink rate of layers with a window', rateTable(result.sinkRatesWindow, it))
      : []),
    ...learnedSinkMap(result, it, section),
    ...section(
      `The page: ${escapeText(input.source)}, ${input.page.length} tokens`,
      tokenStrip(result, it),
      `Attention each token received, mean over heads and layers${hasGaps(result) ? ' that have a pattern' : ''}.`,
    ),
    ...section('Sink tokens', sinkTable(result, it)),
    ...section('Cross-attention', crossLines(result, it)),
    ...section('High-norm tokens', highNormLines(result, it)),
    ...section('Massive activations', massiveLines(result, it)),
    ...section(
      'Layer by layer',
      measuredLines(result, it),
      `The page, from layer 0 on the left to layer ${model.layers - 1}, and the range over layers.`,
    ),
    ...(result.rounding
      ? section(
          `Rounded to ${result.rounding.weights}`,
          roundingTable(result.rounding, it),
          'This scan beside one of the weights as stored, of the same texts; measurements as means over layers.',
        )
      : []),
    ...(result.controls.length > 0 ? section('Controls', controlTable(result, it)) : []),
    ...section('Provenance', provenance(result, it)),
  ];
  return `${lines.join('\n').replaceAll('\u00a0', ' ')}\n`;
}

function uniformRange(result: ScanResult): string {
  const uniform = result.uniform.filter((value) => value !== null);
  const least = Math.min(...uniform);
  const most = Math.max(...uniform);
  return most - least < 5e-4 ? percent(most) : `${percent(least)} to ${percent(most)}, depending on the layer`;
}

function learnedSinkMap(
  result: ScanResult,
  it: Paint,
  section: (title: string, lines: string[], about?: string) => string[],
): string[] {
  const mass = result.page.learnedSink;
  if (mass === undefined) return [];
  const all = mean(mass.flatMap((row) => row ?? []));
  return section(
    'Learned sink',
    headMap(mass, it, [], 'no learned sink in this layer'),
    `Mean mass on the learned sink, over the page; ${percent(all)} on the whole.`,
  );
}

function provenance({ model, input, run, sinklab, date }: ScanResult, it: Paint): string[] {
  const { format, revision, dtypes, ropePairing, files } = model.provenance;
  const facts: [string, string][] = [
    ...files.map((file, i): [string, string] => [
      i === 0 ? 'files' : '',
      `${escapeText(file.name)} · ${bytes(file.bytes)} · sha256 ${escapeText(file.sha256).slice(0, 12) || 'not computed'}`,
    ]),
    [
      'format',
      [format, dtypes.join(', '), revision ? `revision ${revision}` : ''].filter(Boolean).map(escapeText).join(' · '),
    ],
    ['rope', escapeText(ropePairing)],
    ['first ids', `${input.firstIds.join(' ')} · BOS ${input.bos}, ${input.bosAdded ? 'added' : 'not added'}`],
    ['run', `${escapeText(run.runtime)} · ${escapeText(run.device)} · ${run.threads} threads`],
    ['cost', `${number(run.seconds)} s · peak ${bytes(run.peakBytes)} · vocabulary ${integer(model.vocabulary)}`],
    ['written', `sinklab ${escapeText(sinklab)} · ${escapeText(date)}`],
  ];
  return facts.flatMap(([name, fact]) => wrap(fact, it.width, ' '.repeat(11), it.style.dim(name.padEnd(11))));
}
