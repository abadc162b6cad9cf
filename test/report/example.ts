import type {
  HeadMap,
  Measured,
  PatternSample,
  ResidualCurves,
  ScanResult,
  SinkRate,
  TokenInfo,
} from '../../src/measure/result.ts';

export interface ExampleOptions {
  layers?: number;
  heads?: number;
  tokens?: number;
  /** Layers (every second one) with a window of 64, and a learned sink in each layer of `learnedSinks`. */
  windows?: boolean;
  learnedSinks?: boolean;
  /** (layer, head) pairs with a pattern. */
  patterns?: [number, number][];
  seed?: number;
}

/** Tokens that try to do harm where they are shown. */
export const hostileTokens = [
  '</script><script>globalThis.harmed=1</script>',
  '<img src=x onerror="globalThis.harmed=1">',
  '\u001b[31mred\u001b[0m',
  '\u202egnol\u202c',
  '\u0000',
  '\u009b2J',
  '\ud83d',
  '\u200b\u2066x\u2069',
  '<!--',
  '"\'`$(1)',
  'e\u0301\u0302\u0303\u0304\u0305\u0306',
  '日本語',
];

const words =
  ' The attention of a model often rests on its first token , whatever that token is . In deeper layers one dimension of the residual grows huge \n and the heads send there what they do not need'.split(
    /(?= )/,
  );

/** A small linear congruential generator: the same numbers everywhere. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A made-up but plausible result: a strong sink at position 0 in the middle layers, a weaker one at a newline. */
export function example(options: ExampleOptions = {}): ScanResult {
  const { layers: L = 30, heads: H = 9, tokens: S = 300, seed = 1 } = options;
  const random = generator(seed);
  const first = Math.round(L * 0.27);
  const last = Math.round(L * 0.7);
  const second = Math.min(S - 1, 37);
  const page = pageTokens(S, second);
  const strength = (l: number) => (l >= first && l <= last ? 0.62 : l > last ? 0.3 : 0.06);
  const map = (scale: number): HeadMap =>
    Array.from({ length: L }, (_, l) =>
      Array.from({ length: H }, (_, h) => {
        const shape = 0.55 + 0.75 * Math.abs(Math.sin(h * 2.1 + l * 0.7)) - 0.3 * random();
        return round(Math.min(0.98, Math.max(0.003, strength(l) * shape * scale)));
      }),
    );
  const received = map(1);
  const windows = Array.from({ length: L }, (_, l) => (options.windows && l % 2 === 0 ? 64 : null));
  const learnedSinks = options.learnedSinks ? Array.from({ length: L }, (_, l) => l) : [];
  const uniform = windows.map((window) => round(uniformReceived(0, S, window)));
  const rates = (mean: number): SinkRate[] => [
    { epsilon: 0.3, rate: { mean, deviation: round(mean * 0.08), n: 100 }, uniform: 0 },
    {
      epsilon: 0.2,
      rate: { mean: round(Math.min(1, mean * 1.15)), deviation: round(mean * 0.07), n: 100 },
      uniform: 0,
    },
    { epsilon: 0.1, rate: { mean: round(Math.min(1, mean * 1.3)), deviation: round(mean * 0.05), n: 100 }, uniform: 0 },
  ];
  const pageUniform = windows.map((window) =>
    Array.from({ length: S }, (_, s) => round(uniformReceived(s, S, window))),
  );
  const pageReceived = pageUniform.map((row, l) =>
    row.map((value, s) => {
      const top = received[l]!.reduce((a, b) => a + b, 0) / H;
      if (s === 0) return round(top);
      if (s === second && l > first && l <= last) return round(0.2 + 0.05 * random());
      return round(value * (1 - top) * (0.5 + random()));
    }),
  );
  const controls: [ScanResult['controls'][number]['name'], string, number][] = [
    [
      'shuffled, first token kept',
      'Tells whether the sink needs meaningful text; it cannot tell position from token.',
      0.97,
    ],
    ['shuffled, first token moved', 'Tells whether the sink follows the position or the token.', 0.9],
    [
      'random initialisation',
      'Near-uniform by nature: a rate above its baseline here would be a fault of the measurement.',
      0.05,
    ],
    ['weights permuted', 'Keeps the sizes of the weights and destroys what was learnt.', 0.08],
  ];
  return {
    schema: 'sinklab.scan/1',
    sinklab: '0.1.0',
    date: '2026-01-31T12:00:00.000Z',
    run: { runtime: 'onnxruntime-node 1.30.0', device: 'cpu', threads: 2, seconds: 6.32, peakBytes: 962_000_000 },
    model: {
      source: 'example/tiny-135M',
      family: 'llama',
      layers: L,
      heads: H,
      keyValueHeads: Math.max(1, Math.round(H / 3)),
      headWidth: 64,
      modelWidth: 64 * H,
      vocabulary: 49_152,
      parameters: 134_515_008,
      windows,
      learnedSinks,
      provenance: {
        format: 'gguf',
        dtypes: ['Q4_1', 'F32'],
        ropePairing: 'interleaved in the file, half-split after loading',
        files: [{ name: 'tiny-135m.gguf', bytes: 98_300_000, sha256: '0123456789abcdef'.repeat(4) }],
      },
    },
    input: {
      bos: 'auto',
      bosAdded: false,
      firstIds: page.slice(0, 5).map((token) => token.id),
      source: 'wikitext-2, first page',
      protocol: { texts: 100, tokens: 64 },
      page,
    },
    sinkRates: rates(0.52),
    ...(options.windows ? { sinkRatesWindow: rates(0.11) } : {}),
    alpha: received.map((row) => row?.map((value) => round(Math.min(1, value + (1 - value) / 64))) ?? null),
    received,
    uniform,
    massiveTexts: {
      texts: 100,
      carrying: 98,
      places: [{ position: 0, dimension: 133, texts: 98, firstLayer: first - 1, lastLayer: last, value: 9240 }],
      more: 1,
      medianError: 0.002,
    },
    page: {
      received: pageReceived,
      uniform: pageUniform,
      topSink: received.map((row) => row?.map((value) => round(value * 0.96)) ?? null),
      sinks: [
        {
          ...page[0]!,
          queries: S,
          received: 0.412,
          excess: 0.39,
          kind: 'primary',
          firstLayer: first,
          lastLayer: L - 1,
        },
        {
          ...page[second]!,
          queries: S - second,
          received: 0.101,
          excess: 0.089,
          kind: 'secondary',
          firstLayer: first + 1,
          lastLayer: last,
          cosine: 0.93,
        },
        {
          ...page[Math.min(S - 1, 12)]!,
          queries: S - 12,
          received: 0.04,
          excess: 0.02,
          kind: 'attention only',
          firstLayer: last,
          lastLayer: last,
        },
      ],
      massive: Array.from({ length: last - first + 2 }, (_, i) => ({
        layer: first - 1 + i,
        position: 0,
        dimension: 133,
        value: 9100 - 90 * i,
        ratio: 4000 - 55 * i,
        massive: true,
      })),
      written: first - 1,
      erased: last + 1,
      curves: curves(L, first, last),
      measured: measured(L, H, first, last, S, random),
      ...(options.learnedSinks
        ? {
            learnedSink: Array.from({ length: L }, (_, l) =>
              Array.from({ length: H }, (_, h) => round(0.2 + 0.5 * Math.abs(Math.sin(l + h)))),
            ),
          }
        : {}),
      patterns: (options.patterns ?? [[Math.min(12, L - 1), Math.min(3, H - 1)]]).map(([l, h]) =>
        pattern(l, h, S, received[l]![h]!, second, windows[l] ?? null, options.learnedSinks ?? false, random),
      ),
    },
    controls: controls.map(([name, tells, scale]) => ({
      name,
      tells,
      rates: rates(round(0.52 * scale)),
      received: map(scale),
      largestRatio: round(4000 * scale),
    })),
    notes: ['The file adds no BOS; position 0 is the first token of the text.'],
    summary: [
      `Layers ${first}–${last} send 40–70 % of their attention to the first token, whatever it is.`,
      `From layer ${first - 1} to ${last + 1} it carries one huge number, 9 100 in dimension 133, 4 000 × the median.`,
      'Shuffled text: the same; permuted weights: no head does.',
    ],
  };
}

function pageTokens(S: number, second: number): TokenInfo[] {
  return Array.from({ length: S }, (_, i) => {
    const hostile = i >= 16 && i < 16 + hostileTokens.length;
    const text =
      i === 0
        ? '<|im_start|>'
        : i === second
          ? '\n'
          : hostile
            ? hostileTokens[i - 16]!
            : words[(i - 1) % words.length]!;
    return {
      position: i,
      id: i === 0 ? 1 : 260 + ((i * 7919) % 48_000),
      text,
      role: i === 0 ? 'bos' : hostile && i % 2 ? 'special' : 'text',
      class: text === '\n' ? 'newline' : /\p{L}/u.test(text) ? 'letter' : 'punctuation',
    } satisfies TokenInfo;
  });
}

/** Mean over the queries t > s that see key s of 1 / (keys t sees). */
function uniformReceived(s: number, S: number, window: number | null): number {
  let sum = 0;
  let n = 0;
  for (let t = Math.max(1, s); t < S && (window === null || t < s + window); t++, n++) {
    sum += 1 / Math.min(t + 1, window ?? S);
  }
  return n === 0 ? 0 : sum / n;
}

function curves(L: number, first: number, last: number): ResidualCurves {
  const inside = (l: number) => l >= first - 1 && l <= last;
  return {
    largest: Array.from(
      { length: L },
      (_, l) => (inside(l) ? [9100 - 40 * l, 1800, 420] : [20 + 4 * l, 12 + 2 * l, 9 + l]) as [number, number, number],
    ),
    median: Array.from({ length: L }, (_, l) => round(0.4 + l * 0.07)),
  };
}

function measured(L: number, H: number, first: number, last: number, S: number, random: () => number): Measured[] {
  const inside = (l: number) => l >= first - 1 && l <= last;
  const perLayer = (value: (l: number) => number) => Array.from({ length: L }, (_, l) => round(value(l)));
  const noise = () => 0.9 + 0.2 * random();
  const curve = (name: string, title: string, quantity: string, series: Record<string, (l: number) => number>) => ({
    ...{ kind: 'curves' as const, name, title, quantity, source: '2410.10781', about: 'Made up.', log: false },
    baseline: 'none: it is made up' as number[] | string,
    series: Object.entries(series).map(([label, value]) => ({ label, values: perLayer(value) })),
  });
  return [
    {
      ...{ kind: 'map', name: 'effective-keys', title: 'Effective number of keys', source: '2303.06296' },
      ...{ about: 'Made up, mean over the page.', quantity: 'keys', share: false },
      baseline: perLayer(() => (S + 1) / 2),
      values: Array.from({ length: L }, (_, l) =>
        Array.from({ length: H }, () => round((inside(l) ? 8 : 60) * noise())),
      ),
    },
    {
      ...curve('entropy', 'Entropy of attention rows', 'nats', { measured: (l) => (inside(l) ? 1.6 : 3.1) * noise() }),
      baseline: perLayer(() => Math.log(S) - 1),
    },
    {
      ...curve('residual-norms', 'Norm of the residual', 'L2 norm', {
        'top sink': (l) => (inside(l) ? 9300 - 40 * l : 30 + 8 * l),
        'other tokens': (l) => 20 + 9 * l,
      }),
      log: true,
    },
    curve('score-split', 'Norm of values', 'L2 norm, mean over heads', {
      'top sink': (l) => (inside(l) ? 0.4 : 4) * noise(),
      'other tokens': (l) => 5 * noise() + l * 0.3,
    }),
  ];
}

function pattern(
  layer: number,
  head: number,
  T: number,
  sinkShare: number,
  second: number,
  window: number | null,
  learned: boolean,
  random: () => number,
): PatternSample {
  const values = new Uint8Array(T * T);
  const sink = new Uint8Array(T);
  for (let t = 0; t < T; t++) {
    const from = window === null ? 0 : Math.max(0, t - window + 1);
    const extra = learned ? 0.3 + 0.2 * Math.sin(t / 9) : 0;
    sink[t] = Math.round(extra * 255);
    let rest = 1 - extra;
    const put = (s: number, share: number) => {
      const at = t * T + s;
      values[at] = Math.min(255, values[at]! + Math.round(share * 255));
      rest -= share;
    };
    if (t === 0) put(0, rest);
    else {
      if (from === 0) put(0, rest * sinkShare * (0.7 + 0.3 * random()));
      if (t > second && second >= from) put(second, rest * 0.25);
      put(t, rest * 0.3);
      for (let back = 1; back <= 4 && t - back >= from; back++) put(t - back, rest * 0.3 * random());
      for (let k = 0; k < 4; k++) put(from + Math.floor(random() * (t - from)), rest * 0.2 * random());
    }
  }
  return {
    layer,
    head,
    T,
    values: Buffer.from(values).toString('base64'),
    ...(learned ? { sink: Buffer.from(sink).toString('base64') } : {}),
  };
}

const round = (value: number) => Number(value.toPrecision(4));
