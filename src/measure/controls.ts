import { changedWeights } from '../models/changed-weights.ts';
import type { Model } from '../models/model.ts';
import { normal, seededRandom, shuffle } from '../random.ts';
import type { Control } from './result.ts';

/** A control: the same measurement with one thing taken away. */
export interface ControlSetting {
  readonly name: Control['name'];
  /** What it can and cannot tell. */
  readonly tells: string;
  /** A text under the control, a new array. `fixed` leading tokens (a BOS) are never moved; `random` gives numbers in [0, 1). */
  readonly ids: (ids: readonly number[], fixed: number, random: () => number) => number[];
  /** The model under the control, over the same runtime; absent: as it is. Disposing of it is not needed. */
  readonly weights?: (model: Model, seed: number) => Model;
}

const asIs = (ids: readonly number[]) => [...ids];

export const controlSettings: readonly ControlSetting[] = [
  {
    name: 'shuffled, first token kept',
    tells:
      'The same tokens in random order after the first: what stays does not depend on what the text says; it cannot tell position from first token.',
    ids: ([first, ...rest], _, random) => [first!, ...shuffle(rest, random)],
  },
  {
    name: 'shuffled, first token moved',
    tells:
      'All tokens in random order, another one first (a BOS stays): what stays is tied to the first place (or to BOS), not to the token that stood there.',
    ids: (ids, fixed, random) => {
      const [first, ...rest] = ids.slice(fixed);
      const moved = shuffle(rest, random);
      if (first !== undefined) moved.splice(1 + Math.floor(random() * moved.length), 0, first);
      return [...ids.slice(0, fixed), ...moved];
    },
  },
  {
    name: 'random initialisation',
    tells:
      'The same architecture before training: near-uniform attention by nature, so it shows the floor of the measurement, not the effect of training data.',
    ids: asIs,
    weights: (model, seed) => withWeights(model, (name, values, random) => fresh(model, name, values, random), seed),
  },
  {
    name: 'weights permuted',
    tells:
      'Trained weights in random order within each tensor: keeps their sizes and destroys what was learnt; sharper than random initialisation.',
    ids: asIs,
    weights: (model, seed) => withWeights(model, (_, values, random) => shuffle(values, random), seed),
  },
];

/** Matrices from N(0, initializer_range²), default deviation 0.02; norms at one (as stored by the family), biases and sink logits at zero. */
function fresh(
  model: Model,
  name: string,
  values: Float32Array<ArrayBuffer>,
  random: () => number,
): Float32Array<ArrayBuffer> {
  if (/(bias|sinks)$/.test(name)) return values.fill(0);
  // Norms over heads have several axes.
  if (model.weightShapes.get(name)!.length === 1 || /norm\.weight$/.test(name))
    return values.fill(model.stack.freshNorm ?? 1);
  const range = model.checkpoint.config.initializer_range;
  const deviation = typeof range === 'number' && range > 0 && range <= 1 ? range : 0.02;
  const next = normal(random);
  for (let i = 0; i < values.length; i++) values[i] = deviation * next();
  return values;
}

type Change = (name: string, values: Float32Array<ArrayBuffer>, random: () => number) => Float32Array<ArrayBuffer>;

/** Each tensor has its own stream of numbers. */
function withWeights(model: Model, change: Change, seed: number): Model {
  return changedWeights(model, (name, values) => change(name, values, seededRandom(seed ^ hash(name))));
}

/** FNV-1a: each tensor has its own stream of numbers, whatever the order of reading. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}
