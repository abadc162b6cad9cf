import { z } from 'zod';

/**
 * The shape of `ScanResult` for untrusted files: nothing unknown, every array and string bounded, every number finite.
 * The compiler holds it equal to the types of `result.ts`; sizes that depend on each other are checked by `parseScanResult`.
 */
const limits = { layers: 1024, heads: 4096, tokens: 131_072, text: 4096, items: 4096, base64: 2 ** 29 };

const text = z.string().max(limits.text);
const name = z.string().max(256);
const real = z.number();
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const share = z.number().min(0).max(1.000_01);
const layers = <T extends z.ZodType>(entry: T) => z.array(entry).max(limits.layers);
const tokens = <T extends z.ZodType>(entry: T) => z.array(entry).max(limits.tokens);
const items = <T extends z.ZodType>(entry: T) => z.array(entry).max(limits.items);
const perLayer = layers(real);
const perLayerOrNone = layers(real.nullable());
/** Null for a layer without an attention pattern. */
const headMap = layers(z.array(share).max(limits.heads).nullable());
const base64 = z.string().max(limits.base64);

const token = {
  position: count,
  id: z.number().int().min(-1),
  text,
  role: z.enum([
    ...['bos', 'first', 'template', 'special', 'text'],
    ...['class', 'separator', 'distillation', 'register', 'patch', 'frame'],
  ] as const),
  class: z.enum(['space', 'newline', 'digit', 'punctuation', 'letter', 'byte', 'other']),
  patch: z.exactOptional(z.strictObject({ row: count, column: count })),
  seconds: z.exactOptional(real.min(0)),
};

const model = z.strictObject({
  source: text,
  family: name,
  layers: count.max(limits.layers),
  heads: count.max(limits.heads),
  keyValueHeads: count,
  headWidth: count,
  modelWidth: count,
  vocabulary: count,
  parameters: count,
  windows: layers(count.nullable()),
  learnedSinks: layers(count),
  causal: z.exactOptional(z.boolean()),
  provenance: z.strictObject({
    format: name,
    revision: z.exactOptional(name),
    dtypes: z.array(name).max(64),
    ropePairing: name,
    files: items(z.strictObject({ name: text, bytes: count, sha256: z.string().max(64) })),
  }),
});

const sinkRates = z
  .array(
    z.strictObject({
      epsilon: real,
      rate: z.strictObject({ mean: share, deviation: real.min(0), n: count }),
      uniform: share,
    }),
  )
  .max(64);

const sinkToken = z.strictObject({
  ...token,
  queries: count,
  received: share,
  excess: real,
  kind: z.enum(['primary', 'secondary', 'attention only']),
  firstLayer: count,
  lastLayer: count,
  cosine: z.exactOptional(real),
});

const highNorm = z.strictObject({
  ...token,
  firstLayer: count,
  lastLayer: count,
  layer: count,
  norm: real.min(0),
  ratio: real.min(0),
});

const massive = z.strictObject({
  layer: count,
  position: count,
  dimension: count,
  value: real,
  ratio: real,
  massive: z.boolean(),
});

const curves = z.strictObject({ largest: layers(z.tuple([real, real, real])), median: perLayer });

const measuredTexts = {
  name,
  source: name,
  title: name,
  about: text,
  quantity: name,
  baseline: z.union([perLayerOrNone, text]),
};

const measured = z.discriminatedUnion('kind', [
  z.strictObject({
    ...measuredTexts,
    kind: z.literal('curves'),
    log: z.boolean(),
    series: z
      .array(z.strictObject({ label: name, values: perLayerOrNone }))
      .min(1)
      .max(16),
  }),
  z.strictObject({
    ...measuredTexts,
    kind: z.literal('map'),
    share: z.boolean(),
    values: layers(z.array(real).max(limits.heads).nullable()),
  }),
]);

const massiveTexts = z.strictObject({
  texts: count,
  carrying: count,
  places: z
    .array(
      z.strictObject({
        position: count,
        dimension: count,
        texts: count,
        firstLayer: count,
        lastLayer: count,
        value: real,
      }),
    )
    .max(64),
  more: count,
  medianError: real.min(0),
});

const cross = z.strictObject({
  keys: tokens(z.strictObject(token)),
  received: layers(tokens(share).nullable()),
  top: count,
  topKey: headMap,
  sinks: items(sinkToken),
  measured: z.array(measured).max(16),
  patterns: items(z.strictObject({ layer: count, head: count, T: count, S: count, values: base64 })),
});

const page = z.strictObject({
  received: layers(tokens(share).nullable()),
  uniform: layers(tokens(share).nullable()),
  topSink: headMap,
  sinks: items(sinkToken),
  highNorm: z.exactOptional(items(highNorm)),
  massive: items(massive),
  written: count.nullable(),
  erased: count.nullable(),
  curves,
  measured: z.array(measured).max(256),
  learnedSink: z.exactOptional(layers(z.array(share).max(limits.heads).nullable())),
  patterns: items(
    z.strictObject({ layer: count, head: count, T: count, values: base64, sink: z.exactOptional(base64) }),
  ),
  cross: z.exactOptional(cross),
});

const control = z.strictObject({
  name: z.enum([
    'shuffled, first token kept',
    'shuffled, first token moved',
    'random initialisation',
    'weights permuted',
  ]),
  tells: text,
  rates: sinkRates,
  received: headMap,
  largestRatio: real,
});

export const scanSchema = z.strictObject({
  schema: z.literal('sinklab.scan/1'),
  sinklab: name,
  date: name,
  run: z.strictObject({ runtime: name, device: name, threads: count, seconds: real.min(0), peakBytes: count }),
  model,
  input: z.strictObject({
    bos: z.enum(['auto', 'add', 'none']),
    bosAdded: z.boolean(),
    firstIds: items(z.number().int()),
    source: text,
    protocol: z.exactOptional(z.strictObject({ texts: count, tokens: count })),
    page: tokens(z.strictObject(token)),
    picture: z.exactOptional(
      z.strictObject({ width: count.min(1).max(4096), height: count.min(1).max(4096), rgb: base64 }),
    ),
    spectrogram: z.exactOptional(
      z.strictObject({
        ...{ bins: count.min(1).max(512), columns: count.min(1).max(4096) },
        ...{ columnSeconds: real.positive(), soundSeconds: real.min(0), values: base64 },
      }),
    ),
  }),
  sinkRates,
  sinkRatesWindow: z.exactOptional(sinkRates),
  alpha: headMap,
  received: headMap,
  uniform: layers(share.nullable()),
  massiveTexts: z.exactOptional(massiveTexts),
  page,
  rounding: z.exactOptional(
    z.strictObject({
      weights: z.enum(['int8', 'int4']),
      figures: items(
        z.strictObject({
          name,
          unit: z.enum(['share', 'number']),
          ...{ stored: real.nullable(), rounded: real.nullable() },
        }),
      ),
    }),
  ),
  controls: z.array(control).max(64),
  notes: z.array(text).max(256),
  summary: z.array(text).max(256),
});
