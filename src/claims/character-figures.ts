import type { Queries } from '../attention/steps.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { cast, less, mean, multiply, pick, scalar, slice, subtract, type Tensor } from '../tensor/index.ts';
import type { TrainState } from '../train/state.ts';
import { type CharacterModelOptions, characterModel, heldOutTexts } from '../train/toys/characters.ts';
import { compileValues } from '../train/values.ts';
import { average } from './figures.ts';

/** A trained character model on texts that it did not learn from. */
export interface HeldOut {
  /** Nats of each character. */
  readonly loss: number;
  /** The same for each position of a text. */
  readonly lossAt: readonly number[];
  readonly accuracy: number;
  /** Mean attention to the first character by all later ones, over layers and heads. */
  readonly first: number;
  /** Share of layers, heads and texts where that mean is above 0.3. */
  readonly sinkRate: number;
  /** Of each layer with gates on its heads, by head: how queries after the first use them. */
  readonly heads: readonly GatedHeads[];
}

export interface GatedHeads {
  /** Share of queries for which the head's gate is not zero. */
  readonly on: readonly number[];
  /** Mean attention to the first character of queries for which it is, and for which it is zero, times the share of these queries. */
  readonly firstOn: readonly number[];
  readonly firstOff: readonly number[];
}

/** Figures of parameters on the held-out texts of `length` characters. */
export async function heldOut(
  runtime: Runtime,
  options: CharacterModelOptions,
  parameters: TrainState['parameters'],
  length: number,
): Promise<HeldOut> {
  const { losses, accuracy, patterns, gates } = characterModel(options, length);
  const later = <A extends string>(x: Tensor<A | 'T'>) => slice(x as Tensor<string>, 'T', 1, length) as typeof x;
  const firsts = patterns.map((pattern) => later<'B' | 'G' | 'R'>(pick(pattern, 'S', 0)));
  const ofLayer = (first: Tensor<'B' | 'G' | 'R' | 'T'>, gate: Queries | undefined, i: number) => {
    if (!gate) return {};
    const on = cast(less(0, later<'B' | 'G' | 'R'>(pick(gate, 'D', 0))), 'float32');
    return {
      [`on${i}`]: mean(on, ['B', 'T']),
      [`firstOn${i}`]: mean(multiply(first, on), ['B', 'T']),
      [`firstOff${i}`]: mean(multiply(first, subtract(1, on)), ['B', 'T']),
    };
  };
  const program = await compileValues<string>(runtime, {
    lossAt: mean(losses, 'B'),
    accuracy,
    ...Object.fromEntries(
      firsts.flatMap((first, i) => [
        [`first${i}`, mean(first, ['B', 'G', 'R', 'T'])],
        [`sinks${i}`, mean(cast(less(scalar(0.3), mean(first, 'T')), 'float32'), ['B', 'G', 'R'])],
      ]),
    ),
    ...Object.assign({}, ...firsts.map((first, i) => ofLayer(first, gates[i], i))),
  });
  const values = await program.run(parameters, heldOutTexts(length));
  const numbers = (name: string) => Array.from(values[name]!.data, Number);
  const overLayers = (name: string) => average(patterns.flatMap((_, i) => numbers(`${name}${i}`)));
  const lossAt = numbers('lossAt');
  return {
    ...{ loss: average(lossAt), lossAt, accuracy: numbers('accuracy')[0]! },
    ...{ first: overLayers('first'), sinkRate: overLayers('sinks') },
    heads: gates.map((_, i) => ({
      on: numbers(`on${i}`),
      firstOn: numbers(`firstOn${i}`),
      firstOff: numbers(`firstOff${i}`),
    })),
  };
}
