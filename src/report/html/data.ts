import type { HeadMap, ScanResult } from '../../measure/result.ts';
import { escapeText, visibleToken } from '../escape.ts';
import { percent } from '../format.ts';
import { rounded } from '../json.ts';
import { layerMarks } from '../marks.ts';
import { measuredMaps, reachOf, withoutBaseline } from '../measured.ts';
import type { PageData } from './page/types.ts';

const short = (values: readonly number[]) => values.map((value) => rounded(value, 4));

/** What the script of the page needs of a result, its texts escaped. */
export async function pageData(result: ScanResult): Promise<PageData> {
  const { model, input, page } = result;
  const texts = input.protocol ? `${input.protocol.texts} texts of ${input.protocol.tokens} tokens` : 'the page';
  const map = (
    title: string,
    about: string,
    values: readonly (readonly number[] | null)[],
    uniform: number[] | null = null,
    scale: { most: number; unit: string | null } = { most: 1, unit: null },
  ) => ({
    title,
    about,
    values: values.map((row) => (row === null ? null : short(row))),
    uniform: uniform === null ? null : short(uniform),
    ...scale,
  });
  const maps = [
    map(
      'attention to key 0',
      `Mean over ${texts} of the attention to key 0, without its own row 0.`,
      result.received,
      result.uniform,
    ),
    map(
      'attention to key 0, row 0 counted',
      `Mean over ${texts} of the attention to key 0, its own row counted, as the sink rate does.`,
      result.alpha,
    ),
    map('attention to the top sink', topSinkAbout(result), page.topSink),
    ...(page.learnedSink
      ? [map('learned sink', 'Mean mass on the learned sink, over the page.', page.learnedSink)]
      : []),
    ...measuredMaps(result).map((one) =>
      map(
        escapeText(one.title),
        `${escapeText(one.about)} arXiv ${escapeText(one.source)}. ${escapeText(withoutBaseline(one))}`,
        one.values,
        typeof one.baseline === 'string' ? null : one.baseline,
        { most: reachOf(one), unit: one.share ? null : escapeText(one.quantity) },
      ),
    ),
    ...result.controls.map((control) =>
      map(`control: ${escapeText(control.name)}`, escapeText(control.tells), control.received, result.uniform),
    ),
  ];
  const rows: number[][] = [];
  const known = new Map<string, number>();
  const of = page.uniform.map((row) => {
    const values = short(row);
    const text = values.join();
    const at = known.get(text) ?? rows.push(values) - 1;
    known.set(text, at);
    return at;
  });
  return {
    layers: model.layers,
    heads: model.heads,
    tokens: input.page.map((token) => ({
      text: visibleToken(token.text),
      about: `id ${token.id}, ${token.role}, ${token.class}`,
    })),
    maps,
    marks: layerMarks(result).map((marks) => marks.map(({ words }) => words).join(', ')),
    received: page.received.map(short),
    uniform: { rows, of },
    sinks: page.sinks.map((sink) => sink.position),
    patterns: await Promise.all(
      page.patterns.map(async (sample) => ({ ...sample, values: await deflated(sample.values) })),
    ),
    start: start(result),
  };
}

/** Patterns are mostly zeros: packed they take a tenth of the page. */
async function deflated(base64: string): Promise<string> {
  const raw = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const stream = new Blob([raw]).stream().pipeThrough(new CompressionStream('deflate-raw'));
  const packed = new Uint8Array(await new Response(stream).arrayBuffer());
  let text = '';
  for (let i = 0; i < packed.length; i += 8192) text += String.fromCharCode(...packed.subarray(i, i + 8192));
  return btoa(text);
}

function topSinkAbout({ page, input }: ScanResult): string {
  const [top] = page.sinks;
  if (top === undefined) return 'No token of the page stands out.';
  return `Mean attention of the page to token ${top.position} ${visibleToken(input.page[top.position]!.text)} (${percent(top.received)} on the whole).`;
}

/** The head with a pattern that rests most on key 0; without patterns the strongest head. */
function start({ page, received }: ScanResult): { layer: number; head: number } {
  const value = ({ layer, head }: { layer: number; head: number }) => received[layer]![head]!;
  const heads = page.patterns.length > 0 ? page.patterns : everyHead(received);
  const { layer, head } = heads.reduce((best, next) => (value(next) > value(best) ? next : best));
  return { layer, head };
}

function everyHead(map: HeadMap): { layer: number; head: number }[] {
  return map.flatMap((row, layer) => row.map((_, head) => ({ layer, head })));
}
