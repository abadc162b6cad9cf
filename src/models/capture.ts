import { InputError } from '../error.ts';
import type { Form } from './feed.ts';
import { type HookName, hookOrder } from './hook-names.ts';
import type { Model } from './model.ts';
import { expandHooks } from './run.ts';
import { type CaptureSelection, checkSelection, keptAxes } from './select-capture.ts';
import { hookShapes } from './trace-hooks.ts';

/** One tensor that a capture writes. */
export interface PlannedTensor {
  readonly name: HookName;
  /** Axes in the order of the shape. */
  readonly axes: readonly string[];
  readonly shape: readonly number[];
  /** Indices along an axis that are kept; an axis that is whole is absent. */
  readonly kept: Readonly<Record<string, readonly number[]>>;
  readonly bytes: number;
}

export interface CaptureRequest extends CaptureSelection {
  /** Hook names or patterns. */
  readonly hooks: readonly string[];
  /** Layers, from 0, of hook points inside blocks. Default all. */
  readonly layers?: readonly number[];
  /** Texts, and tokens of each. */
  readonly B: number;
  readonly T: number;
  /** Positions of the memory, where there is one. Default T. */
  readonly S?: number | undefined;
  /** Of pictures: their size. Default: that which the model was made for. */
  readonly form?: Form;
  /** Bytes of one value: 4 for float32 (default), 2 for float16. */
  readonly width?: 2 | 4;
}

/**
 * What a capture would hold and cost, without running it.
 * @throws InputError for a hook point, layer, head or position that there is not, or when nothing is left.
 */
export function planCapture(model: Model, request: CaptureRequest): PlannedTensor[] {
  const { hooks, layers, B, T, S = T, form, width = 4 } = request;
  checkSelection(model, request, T);
  const names = expandHooks(model, hooks, layers);
  if (names.length === 0) throw new InputError(`layer ${layers}: the hook points ${hooks.join(', ')} are not there`);
  const shapes = hookShapes(model, { B, T, N: S, ...(form ? { form } : {}) });
  return names.map((name) => {
    const axes = hookOrder(name);
    const kept = Object.fromEntries(keptAxes(model, name, request).map(({ axis, indices }) => [axis, indices]));
    shapes.get(name)!.forEach((size, i) => {
      const outside = kept[axes[i]!]?.find((index) => index >= size);
      if (outside !== undefined)
        throw new InputError(`position ${outside}: ${name} has positions 0 to ${size - 1} along ${axes[i]}`);
    });
    const shape = shapes.get(name)!.map((size, i) => kept[axes[i]!]?.length ?? size);
    return { name, axes, shape, kept, bytes: width * shape.reduce((a, b) => a * b, 1) };
  });
}
