import type { HeadMap, ScanResult, TokenInfo } from '../../measure/result.ts';
import { escapeText, visibleToken } from '../escape.ts';
import { mean, percent } from '../format.ts';
import { gridOf } from '../grid.ts';
import { rounded } from '../json.ts';
import { layerMarks } from '../marks.ts';
import { measuredMaps, reachOf, withoutBaseline } from '../measured.ts';
import { isCausal, keyZero, noPattern, withoutRow0 } from '../words.ts';
import type { PageData } from './page/types.ts';

const short = (values: readonly number[]) => values.map((value) => rounded(value, 4));
const shortOrNone = (values: readonly (number | null)[]) => values.map((value) => value && rounded(value, 4));

/** Positions beside the patches of a picture. */
const beside: ReadonlySet<TokenInfo['role']> = new Set(['class', 'distillation', 'register']);

/** What the script of the page needs of a result, its texts escaped. */
export async function pageData(result: ScanResult): Promise<PageData> {
  const { model, input, page } = result;
  const texts = input.protocol ? `${input.protocol.texts} texts of ${input.protocol.tokens} tokens` : 'the page';
  const map = (
    title: string,
    about: string,
    values: readonly (readonly number[] | null)[],
    uniform: readonly (number | null)[] | null = null,
    scale: { most: number; unit: string | null; none?: string } = { most: 1, unit: null },
  ) => ({
    none: noPattern,
    title,
    about,
    values: values.map((row) => (row === null ? null : short(row))),
    uniform: uniform === null ? null : shortOrNone(uniform),
    ...scale,
  });
  const maps = [
    map(
      'attention to key 0',
      `Mean over ${texts} of the attention to ${keyZero(result)}${withoutRow0(result)}.`,
      result.received,
      result.uniform,
    ),
    ...(isCausal(result)
      ? [
          map(
            'attention to key 0, row 0 counted',
            `Mean over ${texts} of the attention to key 0, its own row counted, as the sink rate does.`,
            result.alpha,
          ),
        ]
      : []),
    map('attention to the top sink', topSinkAbout(result), page.topSink),
    ...(page.learnedSink
      ? [
          map('learned sink', 'Mean mass on the learned sink, over the page.', page.learnedSink, null, {
            ...{ most: 1, unit: null, none: 'no learned sink in this layer' },
          }),
        ]
      : []),
    ...(page.cross
      ? [
          map(
            `cross-attention to key ${page.cross.top}`,
            `Mean over the page of the attention to key ${page.cross.top} ${visibleToken(page.cross.keys[page.cross.top]!.text)} of the memory, which receives most.`,
            page.cross.topKey,
            page.cross.topKey.map((row) => row && 1 / page.cross!.keys.length),
            { most: 1, unit: null, none: 'no attention to the memory in this layer' },
          ),
        ]
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
    if (row === null) return null;
    const values = short(row);
    const text = values.join();
    const at = known.get(text) ?? rows.push(values) - 1;
    known.set(text, at);
    return at;
  });
  return {
    layers: model.layers,
    heads: model.heads,
    causal: isCausal(result),
    frames: input.page.some(({ role }) => role === 'frame'),
    tokens: input.page.map((token) => ({
      text: visibleToken(token.text),
      about: aboutToken(token),
      ...(token.patch ? { patch: token.patch } : {}),
      ...(input.picture && beside.has(token.role) ? { beside: true } : {}),
    })),
    maps,
    marks: layerMarks(result).map((marks) => marks.map(({ words }) => words).join(', ')),
    received: page.received.map((row) => row && short(row)),
    uniform: { rows, of },
    sinks: page.sinks.map((sink) => sink.position),
    highNorm: (page.highNorm ?? []).map((token) => token.position),
    patterns: await Promise.all(
      page.patterns.map(async (sample) => ({ ...sample, values: await deflated(sample.values) })),
    ),
    start: start(result),
    picture: await pictureData(result),
    cross: await crossData(result),
    spectrogram: await spectrogramData(result),
  };
}

/** What a token is beside its text: a patch or a frame has no id. */
function aboutToken({ id, role, class: kind, patch, seconds }: TokenInfo): string {
  if (patch) return `${role} in row ${patch.row}, column ${patch.column}`;
  if (seconds !== undefined) return `${role} from ${rounded(seconds, 4)} s`;
  return id < 0 ? role : `id ${id}, ${role}, ${kind}`;
}

async function pictureData({ input }: ScanResult): Promise<PageData['picture']> {
  const grid = gridOf({ input });
  if (!input.picture || !grid) return null;
  const { width, height, rgb } = input.picture;
  return { width, height, ...grid, rgb: await deflated(rgb) };
}

async function spectrogramData({ input, page }: ScanResult): Promise<PageData['spectrogram']> {
  if (!input.spectrogram) return null;
  const { bins, columns, columnSeconds, soundSeconds, values } = input.spectrogram;
  return {
    ...{ bins, columns, seconds: columns * columnSeconds, sound: soundSeconds },
    frames: (page.cross?.keys ?? input.page).length,
    values: await deflated(values),
  };
}

async function crossData({ page }: ScanResult): Promise<PageData['cross']> {
  const { cross } = page;
  if (!cross) return null;
  const heads = cross.patterns.map(({ layer, head }) => ({ layer, head }));
  const share = ({ layer, head }: { layer: number; head: number }) => cross.topKey[layer]?.[head] ?? -1;
  return {
    keys: cross.keys.map((token) => ({ text: visibleToken(token.text), about: aboutToken(token) })),
    top: cross.top,
    received: short(meanRow(cross.received)),
    patterns: await Promise.all(
      cross.patterns.map(async (sample) => ({ ...sample, values: await deflated(sample.values) })),
    ),
    start: heads.reduce((best, next) => (share(next) > share(best) ? next : best), heads[0] ?? { layer: 0, head: 0 }),
  };
}

/** [S] mean over the layers that have values. */
function meanRow(rows: readonly (readonly number[] | null)[]): number[] {
  const known = rows.filter((row) => row !== null);
  return (known[0] ?? []).map((_, s) => mean(known.map((row) => row[s]!)));
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
  const value = ({ layer, head }: { layer: number; head: number }) => received[layer]?.[head] ?? -1;
  const heads = page.patterns.length > 0 ? page.patterns : everyHead(received);
  const { layer, head } = heads.reduce((best, next) => (value(next) > value(best) ? next : best));
  return { layer, head };
}

function everyHead(map: HeadMap): { layer: number; head: number }[] {
  return map.flatMap((row, layer) => (row ?? []).map((_, head) => ({ layer, head })));
}
