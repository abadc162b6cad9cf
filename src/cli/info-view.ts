import type { SourceFile } from '../load/checkpoint.ts';
import type { HookDescription, ModelDescription, WeightDescription } from '../models/inspect.ts';
import { escapeText } from '../report/escape.ts';
import { bytes, integer, number, ranges } from '../report/format.ts';
import type { Paint } from '../report/terminal/paint.ts';
import { table, wrap } from '../report/terminal/text.ts';

export interface InfoContext {
  readonly sinklab: string;
  /** Of this machine, in bytes. */
  readonly memory: { readonly total: number; readonly free: number };
  /** With hashes, where asked for. */
  readonly files?: readonly SourceFile[];
}

/** What is known about a model, as text for a terminal. */
export function renderInfo(model: ModelDescription, about: InfoContext, it: Paint): string {
  const { sizes, provenance } = model;
  const section = (title: string, note: string, lines: readonly string[]) => [
    '',
    it.style.bold(title),
    ...(note === '' ? [] : wrap(note, it.width).map(it.style.dim)),
    ...lines,
  ];
  const fact = (name: string, text: string) => wrap(text, it.width, '            ', `${name.padEnd(11)} `);
  return [
    it.style.bold(escapeText(provenance.source)),
    ...fact('family', `${model.family}, ${sizes.L} layers, ${sizes.H} query heads, ${sizes.G} key/value heads`),
    ...(model.parts ? fact('part', partText(model)) : []),
    ...fact('reads', model.reads),
    ...fact('axes', legend(model)),
    ...fact('parameters', `${integer(model.parameters)} (${number(model.parameters / 1e6)} M)`),
    ...fact('stored', `${bytes(model.storedBytes)} as ${storedTypes(model)} (${provenance.format})`),
    ...fact('memory', memoryText(model, about)),
    ...fact('attention', attentionText(model)),
    ...fact('RoPE', ropeText(model)),
    ...(provenance.revision === undefined ? [] : fact('revision', escapeText(provenance.revision))),
    ...(about.files ?? []).flatMap(({ name, bytes: size, sha256 }) =>
      fact('file', `${escapeText(name)} ${bytes(size)} sha256 ${sha256}`),
    ),
    ...section('Weights', 'Axis letters in stored order; * is the layer.', weightTable(model, it)),
    ...section(
      'Hook points',
      `Axes in the order in which a capture leaves, and its float32 bytes for ${integer(model.tokens)} tokens.`,
      hookTable(model, it),
    ),
    '',
  ].join('\n');
}

const partText = ({ part, parts }: ModelDescription) => {
  const others = parts?.filter((name) => name !== part) ?? [];
  return `${part}${others.length > 0 ? ` (--part: also ${others.join(', ')})` : ''}`;
};

function legend({ sizes, weights }: ModelDescription): string {
  const { M, H, G, D, V, streams = 1, maxPositions } = sizes;
  const F = weights.flatMap(({ axes }) => axes).find(([axis]) => axis === 'F')?.[1];
  const E = weights.flatMap(({ axes }) => axes).find(([axis]) => axis === 'E')?.[1];
  const parts = [
    `M ${M} model width`,
    ...(streams > 1 ? [`${streams} residual streams of width M, side by side in the residual`] : []),
    `H ${H} = G ${G} × R ${H / G} query heads`,
    `D ${D} head width`,
    ...(F === undefined ? [] : [`F ${F} feed-forward`]),
    ...(E === undefined ? [] : [`E ${E} experts`]),
    ...(V === undefined ? [] : [`V ${V} vocabulary`]),
    `B batch, T query position, S key position (up to ${integer(maxPositions)})`,
  ];
  return parts.join(' · ');
}

const typeName = (type: string) => escapeText(type.replace('gguf:', ''));

function storedTypes({ weights }: ModelDescription): string {
  const counts = new Map<string, number>();
  for (const { dtypes } of weights)
    for (const [type, tensors] of dtypes) counts.set(type, (counts.get(type) ?? 0) + tensors);
  return [...counts]
    .sort((a, b) => b[1] - a[1])
    .map(([type, tensors]) => `${typeName(type)} (${tensors} tensor${tensors === 1 ? '' : 's'})`)
    .join(', ');
}

function memoryText({ memory, tokens, provenance }: ModelDescription, about: InfoContext): string {
  const inPlace = provenance.format === 'safetensors' && provenance.dtypes.every((type) => type === 'F32');
  const half = provenance.dtypes.some((type) => type === 'F16' || type === 'BF16');
  const copy = inPlace ? 'read in place, no copy' : half ? 'one float32 copy of half types' : 'decoded to float32';
  return `about ${bytes(memory.total)} to run ${integer(tokens)} tokens: weights ${bytes(memory.weights)} (${copy}), values ${bytes(memory.activations)}, runtime ${bytes(memory.base)}; this machine has ${bytes(about.memory.total)}, ${bytes(about.memory.free)} free`;
}

function attentionText({ windows, learnedSinks }: ModelDescription): string {
  const full = windows.flatMap((window, layer) => (window === null ? [layer] : []));
  const sizes = [...new Set(windows.filter((window) => window !== null))];
  const layers = (values: readonly number[]) => `layer${values.length === 1 ? '' : 's'} ${ranges(values)}`;
  const parts = full.length === windows.length ? ['full in every layer'] : [];
  if (sizes.length > 0) {
    if (full.length > 0) parts.push(`full in ${layers(full)}`);
    for (const size of sizes)
      parts.push(
        `window of ${integer(size)} tokens in ${layers(windows.flatMap((window, layer) => (window === size ? [layer] : [])))}`,
      );
  }
  parts.push(learnedSinks.length > 0 ? `learned sinks in ${layers(learnedSinks)}` : 'no learned sinks');
  return parts.join('; ');
}

function ropeText({ rope, provenance }: ModelDescription): string {
  const keys = Object.entries(rope).map(([key, value]) => `${key} ${settings(value)}`);
  return keys.length === 0 ? 'none' : escapeText(`${keys.join(', ')}; pairs stored ${provenance.ropePairing}`);
}

/** `(rope_type yarn, factor 32)` for an object. */
function settings(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  return `(${Object.entries(value)
    .map(([key, inner]) => `${key} ${settings(inner)}`)
    .join(', ')})`;
}

function layersText(layers: readonly number[] | undefined): string {
  return layers === undefined ? '' : ranges(layers);
}

function weightTable({ weights }: ModelDescription, it: Paint): string[] {
  const cells = ({ name, layers, axes, shape, dtypes, bytes: size }: WeightDescription) => [
    escapeText(name),
    axes.map(([axis]) => axis).join(' '),
    shape.join(' × '),
    dtypes.map(([type, tensors]) => typeName(type) + (dtypes.length > 1 ? ` in ${tensors}` : '')).join(', '),
    layersText(layers),
    bytes(size),
  ];
  return table(
    [
      { title: 'name', least: 20 },
      { title: 'axes' },
      { title: 'stored shape' },
      { title: 'type', drop: 1 },
      { title: 'layers' },
      { title: 'stored', align: 'right' },
    ],
    weights.map(cells),
    it.width,
  );
}

function hookTable({ hooks }: ModelDescription, it: Paint): string[] {
  const cells = ({ name, layers, axes, shape, bytes: size }: HookDescription) => [
    name,
    axes.join(' '),
    shape.join(' × '),
    layersText(layers),
    bytes(size),
    layers === undefined ? '' : bytes(size * layers.length),
  ];
  return table(
    [
      { title: 'name' },
      { title: 'axes' },
      { title: 'shape', drop: 1 },
      { title: 'layers' },
      { title: 'one layer', align: 'right' },
      { title: 'all', align: 'right' },
    ],
    hooks.map(cells),
    it.width,
  );
}

/** What is known about a model, as JSON. */
export function infoJson(model: ModelDescription, { sinklab, files, memory }: InfoContext): string {
  return `${JSON.stringify({ schema: 'sinklab.info/1', sinklab, ...model, machine: memory, ...(files ? { files } : {}) }, null, 1)}\n`;
}
