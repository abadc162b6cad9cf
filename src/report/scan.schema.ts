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
const headMap = layers(z.array(share).max(limits.heads));
const base64 = z.string().max(limits.base64);

const token = {
  position: count,
  id: z.number().int().min(-1),
  text,
  role: z.enum(['bos', 'first', 'template', 'special', 'text']),
  class: z.enum(['space', 'newline', 'digit', 'punctuation', 'letter', 'byte', 'other']),
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
  baseline: z.union([perLayer, text]),
};

const measured = z.discriminatedUnion('kind', [
  z.strictObject({
    ...measuredTexts,
    kind: z.literal('curves'),
    log: z.boolean(),
    series: z
      .array(z.strictObject({ label: name, values: perLayer }))
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

const page = z.strictObject({
  received: layers(tokens(share)),
  uniform: layers(tokens(share)),
  topSink: headMap,
  sinks: items(sinkToken),
  massive: items(massive),
  written: count.nullable(),
  erased: count.nullable(),
  curves,
  measured: z.array(measured).max(256),
  learnedSink: z.exactOptional(layers(z.array(share).max(limits.heads).nullable())),
  patterns: items(
    z.strictObject({ layer: count, head: count, T: count, values: base64, sink: z.exactOptional(base64) }),
  ),
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
  }),
  sinkRates,
  sinkRatesWindow: z.exactOptional(sinkRates),
  alpha: headMap,
  received: headMap,
  uniform: layers(share),
  massiveTexts: z.exactOptional(massiveTexts),
  page,
  controls: z.array(control).max(64),
  notes: z.array(text).max(256),
  summary: z.array(text).max(256),
});
