import { describeFrames, describePatches } from '../../src/load/token-roles.ts';
import { picturePreview } from '../../src/measure/picture-preview.ts';
import type { ScanResult } from '../../src/measure/result.ts';
import { type ExampleOptions, example } from './example.ts';

/** The example with layers that read a state and have no pattern. */
export function hybridExample(without: readonly number[], options: ExampleOptions = {}): ScanResult {
  const result = example(options);
  const gaps = <T>(rows: readonly (T | null)[]) => rows.map((row, l) => (without.includes(l) ? null : row));
  const { page } = result;
  return {
    ...result,
    alpha: gaps(result.alpha),
    received: gaps(result.received),
    uniform: gaps(result.uniform),
    page: {
      ...page,
      received: gaps(page.received),
      uniform: gaps(page.uniform),
      topSink: gaps(page.topSink),
      measured: page.measured.map((one) => {
        const baseline = typeof one.baseline === 'string' ? one.baseline : gaps(one.baseline);
        if (one.kind === 'map') return { ...one, baseline, values: gaps(one.values) };
        if (one.name === 'residual-norms') return one;
        return { ...one, baseline, series: one.series.map((line) => ({ ...line, values: gaps(line.values) })) };
      }),
      patterns: page.patterns.filter(({ layer }) => !without.includes(layer)),
    },
    controls: result.controls.map((control) => ({ ...control, received: gaps(control.received) })),
  };
}

/** A vision transformer's: class token, one register, 8 × 8 patches; the register is a sink, a patch a sink of high norm. */
export function pictureExample(): ScanResult {
  const tokens = describePatches(['class', 'register'], { rows: 8, columns: 8 });
  const result = example({ layers: 4, heads: 3, tokens: tokens.length, patterns: [[2, 1]] });
  // The left half is red, the right half blue.
  const reddish = Uint8Array.from({ length: 16 * 16 * 3 }, (_, i) => {
    const left = Math.floor(i / 3) % 16 < 8;
    return i % 3 === (left ? 0 : 2) ? 240 : 20;
  });
  const [register, patch] = [tokens[1]!, tokens[30]!];
  const sink = (token: typeof register, received: number) => ({
    ...token,
    ...{ queries: 66, received, excess: received - 1 / 66, kind: 'attention only' as const },
    ...{ firstLayer: 1, lastLayer: 3 },
  });
  const high = { ...patch, firstLayer: 2, lastLayer: 3, layer: 3, norm: 212, ratio: 9.7 };
  return {
    ...result,
    model: { ...result.model, family: 'dinov2_with_registers', vocabulary: 0, causal: false },
    input: {
      ...result.input,
      ...{ source: 'picture.png', firstIds: [], page: tokens },
      picture: picturePreview({ width: 16, height: 16, data: reddish }),
    },
    uniform: result.uniform.map(() => 1 / 66),
    page: {
      ...result.page,
      uniform: result.page.uniform.map((row) => row?.map(() => 1 / 66) ?? null),
      sinks: [sink(register, 0.3), sink(patch, 0.2)],
      highNorm: [high],
      massive: [],
      written: null,
      erased: null,
    },
  };
}

/** A decoder of speech with 40 tokens that looks at 50 frames: the query at t rests on frame t + 5, in one head. */
export function crossExample(): ScanResult {
  const [L, H, T, S] = [3, 2, 40, 50];
  const result = example({ layers: L, heads: H, tokens: T, patterns: [] });
  const values = new Uint8Array(T * S).fill(2);
  for (let t = 0; t < T; t++) values[t * S + t + 5] = 200;
  const perLayer = <V>(value: V) => Array.from({ length: L }, () => value);
  return {
    ...result,
    page: {
      ...result.page,
      cross: {
        keys: describeFrames(S, 0.02),
        received: perLayer(Array.from({ length: S }, (_, s) => (s === 7 ? 0.3 : 0.014))),
        top: 7,
        topKey: [[0.1, 0.2], [0.3, 0.6], null],
        sinks: [],
        measured: [
          {
            ...{ kind: 'curves', name: 'entropy', title: 'Entropy of attention rows', source: '2303.06296' },
            ...{ about: 'Made up.', quantity: 'nats', log: false, baseline: perLayer(3.912) },
            series: [{ label: 'measured', values: perLayer(2) }],
          },
        ],
        patterns: [{ layer: 1, head: 1, T, S, values: Buffer.from(values).toString('base64') }],
      },
    },
  };
}

/** The same with the sound that was read: 0.4 s of one in the lowest band, louder from left to right, of 1 s. */
export function soundExample(): ScanResult {
  const result = crossExample();
  const [bins, columns] = [4, 100];
  const values = new Uint8Array(bins * columns);
  for (let x = 0; x < 40; x++) values[x] = 5 + 5 * x;
  const spectrogram = { bins, columns, columnSeconds: 0.01, soundSeconds: 0.4 };
  return {
    ...result,
    input: {
      ...result.input,
      source: 'speech.wav',
      spectrogram: { ...spectrogram, values: Buffer.from(values).toString('base64') },
    },
  };
}

/** An encoder of that sound: 50 frames, the last of which receives 5 %. */
export function frameExample(): ScanResult {
  const result = soundExample();
  const tokens = describeFrames(50, 0.02);
  const own = example({ layers: 3, heads: 2, tokens: 50, patterns: [] });
  const row = tokens.map((_, s) => (s === 49 ? 0.05 : 0.0125));
  return {
    ...own,
    model: { ...own.model, family: 'whisper', vocabulary: 0, causal: false },
    input: { ...result.input, firstIds: [], page: tokens },
    page: {
      ...own.page,
      ...{ received: own.page.received.map(() => row), sinks: [], massive: [], written: null, erased: null },
    },
  };
}
