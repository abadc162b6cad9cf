import { Dim, equal, expand, scalar, select, size, sizes, type Tensor } from '../../tensor/index.ts';
import type { DecodingState } from '../decoding.ts';
import type { HeadSizes } from '../projections.ts';
import type { Stream } from '../steps.ts';
import type { MemoryWeights } from './memory-network.ts';
import type { MemoryState } from './memory-recurrence.ts';
import type { MemoryCarry, MemoryPast, NeuralMemory } from './neural-memory.ts';

type Sizes = Readonly<Record<string, Readonly<Record<string, Dim | number>>>>;

/** Axes and sizes of what a memory keeps between tokens, of fixed size: weights, momentum, the unfinished chunk, and the convolutions' past. */
export function memoryStateSizes(memory: NeuralMemory, { H, G, D }: HeadSizes): Sizes {
  const B = Dim.of('B');
  const parts = (name: string) =>
    Object.entries(memory.network.shapes).map(([part, axes]) => [`${name}.${part}`, { B, ...axes }] as const);
  const T = memory.taps - 1;
  return {
    ...Object.fromEntries([...parts('weights'), ...(memory.momentum ? parts('momentum') : []), ...parts('surprise')]),
    ...(memory.momentum ? { eta: { B, G } } : {}),
    ...(memory.forgetting ? { alpha: { B, G } } : {}),
    ...(T > 0 ? { 'past.q': { B, T, G, R: H / G, D }, 'past.k': { B, T, G, D }, 'past.v': { B, T, G, D } } : {}),
  };
}

/** A carry as named values, every part present and with B; absent parts are zeros. */
export function flattenCarry(carry: MemoryCarry, wanted: Sizes, B: Dim): Record<string, Tensor<string>> {
  const { weights, momentum, surprise, eta, alpha } = carry.memory;
  const named = (name: string, parts: MemoryWeights | undefined) =>
    Object.entries(parts ?? {}).map(([part, value]) => [`${name}.${part}`, value] as const);
  const single = { eta, alpha, 'past.q': carry.past?.q, 'past.k': carry.past?.k, 'past.v': carry.past?.v };
  const given = Object.fromEntries<unknown>([
    ...named('weights', weights),
    ...named('momentum', momentum),
    ...named('surprise', surprise),
    ...Object.entries(single),
  ]) as Record<string, Tensor<string> | undefined>;
  return Object.fromEntries(
    Object.entries(wanted).map(([name, axes]) => {
      const value = given[name] ?? (scalar(0) as unknown as Tensor<string>);
      const known = sizes(value);
      const missing = Object.entries({ ...axes, B }).filter(([axis]) => !known.has(axis));
      return [name, missing.length === 0 ? value : expand(value, Object.fromEntries(missing) as never)];
    }),
  );
}

/** The carry after the tokens so far: from the state, or at the first token what the text begins with. */
export function carryOf(
  state: DecodingState,
  begin: MemoryCarry,
  { wanted, x, index }: { readonly wanted: Sizes; readonly x: Stream; readonly index: Tensor<never> },
): MemoryCarry {
  const first = equal(index, 0) as unknown as Tensor<string>;
  const fresh = flattenCarry(begin, wanted, size(x, 'B'));
  const values = Object.fromEntries(
    Object.keys(wanted).map((name) => [name, select(first, fresh[name]!, state[name]!)] as const),
  );
  const parts = (name: string): MemoryWeights | undefined => {
    const found = Object.entries(values).filter(([key]) => key.startsWith(`${name}.`));
    return found.length === 0
      ? undefined
      : Object.fromEntries(found.map(([key, value]) => [key.slice(name.length + 1), value]));
  };
  const memory = {
    ...{ weights: parts('weights')!, momentum: parts('momentum'), surprise: parts('surprise') },
    ...{ eta: values.eta, alpha: values.alpha },
  };
  return { memory: memory as unknown as MemoryState, past: parts('past') as unknown as MemoryPast | undefined };
}
