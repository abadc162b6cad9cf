import type { PoliciesReport, PolicyRow } from './policies.schema.ts';

export interface CurvePoint {
  readonly at: number;
  /** NaN: no line here. */
  readonly value: number;
}

export const tones = ['sink', 'others', 'third', 'fourth'] as const;
export type Tone = (typeof tones)[number];
const dashes = ['solid', 'dashed', 'dotted'] as const;

/** How the line of a policy looks: four colours, each solid, dashed and dotted. */
export function lineStyle(i: number): { tone: Tone; dash: (typeof dashes)[number] } {
  return { tone: tones[i % tones.length]!, dash: dashes[Math.floor(i / tones.length) % dashes.length]! };
}

/** Windows of at least this many tokens, and at most this many points of a curve. */
const [leastWindow, mostPoints] = [32, 64];

/** Tokens whose losses are averaged into one point; more where few were predicted. */
export function windowOf({ losses }: PolicyRow): number {
  const predicted = losses.filter((loss) => loss !== null).length;
  const last = losses.findLastIndex((loss) => loss !== null) + 1;
  const base = leastWindow * Math.max(1, Math.ceil(losses.length / leastWindow / mostPoints));
  return predicted === 0 ? base : Math.max(base, Math.ceil((16 * last) / predicted));
}

/** Mean losses of neighbouring tokens, at the middle of each window. */
export function lossCurve(run: PolicyRow): CurvePoint[] {
  const size = windowOf(run);
  const { losses } = run;
  return Array.from({ length: Math.ceil(losses.length / size) }, (_, i) => {
    const part = losses.slice(i * size, (i + 1) * size).flatMap((loss) => loss ?? []);
    const mean = part.length === 0 ? Number.NaN : part.reduce((a, b) => a + b, 0) / part.length;
    return { at: Math.min(losses.length, (i + 0.5) * size), value: mean };
  });
}

/** Bytes that are held; of many points, every n-th and the last. */
export function bytesCurve({ bytes }: PolicyRow): CurvePoint[] {
  const size = Math.max(1, Math.ceil(bytes.length / mostPoints));
  const shown = bytes.filter((_, i) => i % size === 0 || i === bytes.length - 1);
  return [{ at: 0, value: 0 }, ...shown.map(([at, value]) => ({ at, value }))];
}

/** Medians of stretches; of many, the median of neighbours. */
export function timeCurve({ times }: PolicyRow): CurvePoint[] {
  const size = Math.max(1, Math.ceil(times.length / 100));
  return Array.from({ length: Math.ceil(times.length / size) }, (_, i) => {
    const part = times.slice(i * size, (i + 1) * size);
    const sorted = part.map(([, ms]) => ms).sort((a, b) => a - b);
    return { at: part[part.length >> 1]![0], value: sorted[sorted.length >> 1]! };
  });
}

/** Does a logarithmic axis show more? Where the largest value is this many times that of the lower quarter. */
export function explodes(curves: readonly (readonly CurvePoint[])[], times: number): boolean {
  const values = curves.flat().flatMap(({ value }) => (value > 0 && Number.isFinite(value) ? [value] : []));
  values.sort((a, b) => a - b);
  return values.length > 0 && values.at(-1)! > times * values[values.length >> 2]!;
}

/** The three quantities of the plot. */
export function policyCurves({ policies }: PoliciesReport) {
  const loss = policies.map(lossCurve);
  const bytes = policies.map(bytesCurve);
  const time = policies.map(timeCurve);
  return [
    { title: 'loss, nats', curves: loss, log: explodes(loss, 3) },
    { title: 'bytes of keys and values held', curves: bytes, log: false },
    { title: 'ms per token', curves: time, log: explodes(time, 8) },
  ] as const;
}
