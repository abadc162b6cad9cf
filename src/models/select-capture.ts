import { InputError } from '../error.ts';
import { constant, gather, type Output, rename, sizes, type Tensor } from '../tensor/index.ts';
import { type HookName, hookOrder } from './hook-names.ts';
import type { Model } from './model.ts';

/** Which part of captured values leaves the graph. Default: all. */
export interface CaptureSelection {
  /** Query heads, from 0. Of keys and values: the key/value heads that serve them. Hook points without heads are whole. */
  readonly heads?: readonly number[];
  /** Positions, from 0. Of queries where the hook point has them, else of keys. */
  readonly positions?: readonly number[];
}

/** The indices of one axis that are kept. */
export interface KeptAxis {
  readonly axis: string;
  readonly indices: readonly number[];
}

const ascending = (values: Iterable<number>) => [...new Set(values)].sort((a, b) => a - b);

/** What a selection keeps of one hook point, axis by axis; empty when all is kept. */
export function keptAxes(model: Model, name: HookName, { heads, positions }: CaptureSelection): KeptAxis[] {
  const order = hookOrder(name);
  const { H, G: common } = model.stack.sizes;
  const G = model.stack.blocks[Number(name.split('.')[1])]?.keyValueHeads ?? common;
  const kept: KeptAxis[] = [];
  if (heads && order.includes('H')) kept.push({ axis: 'H', indices: ascending(heads) });
  else if (heads && order.includes('G'))
    kept.push({ axis: 'G', indices: ascending(heads.map((head) => Math.floor((head * G) / H))) });
  if (positions) kept.push({ axis: order.includes('T') ? 'T' : 'S', indices: ascending(positions) });
  return kept;
}

/** Throws an InputError for a head that the model does not have, a position outside the text, or an empty list. */
export function checkSelection(model: Model, { heads, positions }: CaptureSelection, tokens: number): void {
  const check = (what: string, values: readonly number[] | undefined, size: number) => {
    if (values?.length === 0) throw new InputError(`${what}: expected at least one`);
    for (const value of values ?? [])
      if (!Number.isInteger(value) || value < 0 || value >= size)
        throw new InputError(`${what} ${value}: expected a whole number from 0 to ${size - 1}`);
  };
  check('head', heads, model.stack.sizes.H);
  check('position', positions, tokens);
}

/** Takes the kept part out of a value inside the graph, so that only it leaves. */
export function selectOutput({ value, order }: Output, kept: readonly KeptAxis[]): Output {
  let part = value as unknown as Tensor<'H'>;
  for (const { axis, indices } of kept) {
    if (sizes(part).get(axis)?.constant === indices.length) continue;
    const ids = constant(indices, { Kept: indices.length }, 'int64');
    part = rename(gather(part, ids, axis as 'H') as Tensor<'Kept'>, 'Kept', axis as 'H') as unknown as Tensor<'H'>;
  }
  return { value: part, ...(order === undefined ? {} : { order }) };
}
