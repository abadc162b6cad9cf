import { RunError } from '../../error.ts';
import { massiveLabel } from '../massive-detector.ts';
import type { Collector, Measurement, Setting, TextLayer } from '../measurement.ts';
import { QuantileSketch } from '../quantile-sketch.ts';
import type { MassivePlaces } from '../result.ts';
import { checkSameSetting } from '../same-setting.ts';

/** Places that are listed; the others are counted. */
const most = 8;

/**
 * Where massive activations sit over many texts (2402.17762): for every text the places (position, dimension) that are the largest |entry|
 * of some layer and massive by the card's criterion, |h| > 100 and |h| ≥ 1000 × the median of |h| over all texts. Largest entries merge
 * exactly; the median comes from a sketch with a stated relative error.
 */
export const measurement: Measurement<MassivePlaces> = {
  name: 'massive-places',
  title: 'Massive activations over texts',
  source: '2402.17762',
  over: 'texts',
  reductions: {},
  takes: ['residual'],
  collect: (setting) => new PlaceCollector(setting),
  baseline: 'none: the criterion is relative to the median of the same layer',
  view: 'massive activations',
};

interface Largest {
  readonly layer: number;
  readonly position: number;
  readonly dimension: number;
  readonly value: number;
}

class PlaceCollector implements Collector<MassivePlaces> {
  private readonly medians: QuantileSketch[]; // [L]
  private texts: Largest[][] = []; // each text's largest entry of every layer

  constructor(private readonly setting: Setting) {
    this.medians = Array.from({ length: setting.sizes.L }, () => new QuantileSketch());
  }

  add({ text, layer, residual }: TextLayer): void {
    const { M } = this.setting.sizes;
    let at = 0;
    for (let i = 1; i < residual.length; i++) if (Math.abs(residual[i]!) > Math.abs(residual[at]!)) at = i;
    try {
      this.medians[layer]!.add(residual);
    } catch (error) {
      throw new RunError(`residual of layer ${layer}: ${(error as Error).message}`);
    }
    const largest = { layer, position: Math.floor(at / M), dimension: at % M, value: residual[at]! };
    if (layer === 0) this.texts[text] = [];
    this.texts[text]!.push(largest);
  }

  merge(other: this): void {
    checkSameSetting(this.setting, other.setting);
    this.medians.forEach((sketch, layer) => {
      sketch.merge(other.medians[layer]!);
    });
    this.texts = [...this.texts, ...other.texts];
  }

  finish(): MassivePlaces {
    const medians = this.medians.map((sketch) => sketch.quantile(0.5));
    const places = new Map<string, MassivePlaces['places'][number]>();
    let carrying = 0;
    for (const layers of this.texts) {
      const massive = layers.filter(({ layer, value }) => massiveLabel(value, medians[layer]!) === 'massive');
      if (massive.length > 0) carrying++;
      const seen = new Set<string>();
      for (const { layer, position, dimension, value } of massive) {
        const key = `${position} ${dimension}`;
        const place = places.get(key) ?? { position, dimension, texts: 0, firstLayer: layer, lastLayer: layer, value };
        places.set(key, place);
        if (!seen.has(key)) place.texts++;
        seen.add(key);
        place.firstLayer = Math.min(place.firstLayer, layer);
        place.lastLayer = Math.max(place.lastLayer, layer);
        if (Math.abs(value) > Math.abs(place.value)) place.value = value;
      }
    }
    const sorted = [...places.values()].sort(
      (a, b) => b.texts - a.texts || a.position - b.position || a.dimension - b.dimension,
    );
    return {
      texts: this.texts.length,
      carrying,
      places: sorted.slice(0, most),
      more: Math.max(0, sorted.length - most),
      medianError: QuantileSketch.relativeError,
    };
  }
}
