import type { HeadMap, ScanResult } from '../measure/result.ts';
import { mean } from './format.ts';
import { largestRatio } from './massive.ts';

/** One figure of two results; null where a result has none. */
export interface ComparedFigure {
  name: string;
  unit: 'share' | 'number';
  a: number | null;
  b: number | null;
}

const finite = (value: number) => (Number.isFinite(value) ? value : null);

/** The figures in which two results are compared: sink rates of epsilons that both have, attention to key 0, top sink, massive activations. */
export function comparedFigures(a: ScanResult, b: ScanResult): ComparedFigure[] {
  const rates = a.sinkRates.flatMap(({ epsilon, rate, uniform }): ComparedFigure[] => {
    const other = b.sinkRates.find((entry) => entry.epsilon === epsilon);
    if (other === undefined) return [];
    return [
      { name: `sink rate at ${epsilon}`, unit: 'share', a: rate.mean, b: other.rate.mean },
      { name: '  under uniform attention', unit: 'share', a: uniform, b: other.uniform },
    ];
  });
  const figure = (
    name: string,
    unit: ComparedFigure['unit'],
    of: (result: ScanResult) => number | null,
  ): ComparedFigure => ({
    name,
    unit,
    a: of(a),
    b: of(b),
  });
  return [
    ...rates,
    figure('attention to key 0', 'share', ({ received }) => mean(received.flatMap((heads) => heads ?? []))),
    figure('  under uniform attention', 'share', ({ uniform }) => mean(uniform.filter((value) => value !== null))),
    figure('top sink, excess', 'share', ({ page }) => page.sinks[0]?.excess ?? null),
    figure('sink tokens', 'number', ({ page }) => page.sinks.length),
    figure('largest / median of the residual', 'number', (result) => finite(largestRatio(result))),
    figure('first layer with a massive activation', 'number', ({ page }) => page.written),
    figure('layer that erases the last', 'number', ({ page }) => page.erased),
  ];
}

/** The figures of both, and of every measurement that both have the mean of its first curve over the layers, or of its map. */
export function allFigures(a: ScanResult, b: ScanResult): ComparedFigure[] {
  const means = (result: ScanResult) =>
    new Map(
      result.page.measured.map((one) => {
        const values = one.kind === 'curves' ? (one.series[0]?.values ?? []) : one.values.flatMap((row) => row ?? []);
        const label = one.kind === 'curves' && one.series.length > 1 ? `: ${one.series[0]!.label}` : '';
        const unit: ComparedFigure['unit'] = one.kind === 'map' && one.share ? 'share' : 'number';
        return [`${one.title}${label}`, { unit, value: mean(values.filter((value) => value !== null)) }] as const;
      }),
    );
  const others = means(b);
  const measured = [...means(a)].flatMap(([name, { unit, value }]): ComparedFigure[] => {
    const other = others.get(name);
    return other ? [{ name, unit, a: finite(value), b: finite(other.value) }] : [];
  });
  return [...comparedFigures(a, b), ...measured];
}

/** b − a for each layer and head, null in layers without a pattern in either; null when the maps have different shapes. */
export function differenceMap(a: HeadMap, b: HeadMap): HeadMap | null {
  const heads = new Set([...a, ...b].flatMap((row) => (row === null ? [] : [row.length])));
  if (a.length !== b.length || heads.size > 1) return null;
  return a.map((row, l) => {
    const other = b[l];
    return row && other ? row.map((value, h) => other[h]! - value) : null;
  });
}

/** What differs between how two results were made, and would explain a difference without the models: one sentence each. */
export function unlike(a: ScanResult, b: ScanResult): string[] {
  const protocol = ({ input }: ScanResult) =>
    input.protocol
      ? `${input.protocol.texts} texts of ${input.protocol.tokens} tokens`
      : `one text of ${input.page.length} tokens`;
  const sentences: string[] = [];
  const differ = (what: string, of: (result: ScanResult) => string) => {
    if (of(a) !== of(b)) sentences.push(`${what}: ${of(a)} in A, ${of(b)} in B.`);
  };
  differ('Different texts', protocol);
  differ('Different page', ({ input }) => input.source);
  differ('BOS', ({ input }) => (input.bosAdded ? 'added' : 'not added'));
  differ('First id', ({ input }) => String(input.firstIds[0] ?? 'none'));
  differ('Attention', ({ model }) => (model.causal === false ? 'bidirectional' : 'causal'));
  differ('Weights', ({ model }) => model.provenance.dtypes.join(', '));
  return sentences;
}
