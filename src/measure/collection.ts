import { InputError } from '../error.ts';
import type { LayerOutput, Reductions } from '../models/layerwise.ts';
import type { Collector, Measurement, PageContext, Setting, TextLayer } from './measurement.ts';
import type { Measured } from './result.ts';

const nothing = new Float32Array(0);

/** Several measurements of the same texts: what they need of the graph together, and their collectors. */
export class Collection {
  readonly reductions: Reductions;
  private readonly collectors: Map<Measurement, Collector<unknown>>;

  /** Throws an InputError when two measurements use one name for different reductions. */
  constructor(
    readonly measurements: readonly Measurement[],
    readonly setting: Setting,
  ) {
    this.reductions = combined(measurements);
    this.collectors = new Map(measurements.map((measurement) => [measurement, measurement.collect(setting)]));
  }

  /** Adds what one layer did with a batch of texts, of which `first` is the index of the first. */
  add({ layer, reduced, residual, k, v }: LayerOutput, first = 0): void {
    const { tokens, sizes, hasPattern } = this.setting;
    // Queries and keys of a layer that reads a state are not those of a pattern.
    const pattern = hasPattern?.[layer] !== false;
    const B = residual.length / (tokens * sizes.M);
    const each = { residual: residual.length / B, k: k.length / B, v: v.length / B };
    for (const [{ takes, reductions }, collector] of this.collectors)
      for (let b = 0; b < B; b++) {
        const row = (name: keyof typeof each, values: Float32Array) =>
          takes.includes(name) && (pattern || name === 'residual')
            ? values.subarray(b * each[name], (b + 1) * each[name])
            : nothing;
        const own: Record<string, Float64Array> = {};
        for (const name of pattern ? Object.keys(reductions) : []) {
          const data = reduced[name]?.data;
          if (data) own[name] = data.subarray((b * data.length) / B, ((b + 1) * data.length) / B);
        }
        const part: TextLayer = {
          ...{ text: first + b, layer, reduced: own },
          ...{ residual: row('residual', residual), k: row('k', k), v: row('v', v) },
        };
        collector.add(part);
      }
  }

  /** Throws an InputError for a measurement that is not among these. */
  found<Found>(measurement: Measurement<Found>): Found {
    const collector = this.collectors.get(measurement);
    if (!collector) throw new InputError(`collection: "${measurement.name}" was not measured`);
    return collector.finish() as Found;
  }

  /** The pictures of all measurements that declare any, in their order. */
  pictures(context: Omit<PageContext, 'setting'>): Measured[] {
    const { setting } = this;
    return this.measurements.flatMap((measurement) => {
      const { name, title, source, baseline } = measurement;
      const pictures = measurement.pictures?.(this.found(measurement), { ...context, setting }) ?? [];
      const uniform = typeof baseline === 'string' ? baseline : baseline(setting);
      return pictures.map((picture): Measured => ({ name, title, source, baseline: uniform, ...picture }));
    });
  }
}

function combined(measurements: readonly Measurement[]): Reductions {
  const all: Record<string, Reductions[string]> = {};
  for (const { name: measurement, reductions } of measurements)
    for (const [name, reduction] of Object.entries(reductions)) {
      if (all[name] !== undefined && all[name] !== reduction)
        throw new InputError(`measurement "${measurement}": reduction "${name}" is another one elsewhere; rename it`);
      all[name] = reduction;
    }
  return all;
}
