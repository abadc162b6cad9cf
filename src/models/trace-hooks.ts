import { wholeText } from '../attention/places.ts';
import { input, sizes, type Tensor } from '../tensor/index.ts';
import { logits } from './forward.ts';
import type { HookName } from './hook-names.ts';
import { createHooks } from './hooks.ts';
import type { Model } from './model.ts';
import { captureOutput } from './run.ts';

/** The symbolic value of every hook point, in the order in which they fire; nothing is run. */
export function traceHooks({ decoder }: Pick<Model, 'decoder'>): Map<HookName, Tensor<string>> {
  const values = new Map<HookName, Tensor<string>>();
  const hooks = createHooks({ reads: () => true, read: (name, value) => values.set(name, value) });
  logits(decoder, input('ids', { B: 'B', T: 'T' }, 'int64'), wholeText('T'), hooks);
  return values;
}

/** Shapes of captured values for B texts of T tokens, in documented order. */
export function hookShapes(
  model: Pick<Model, 'decoder'>,
  size: { readonly B: number; readonly T: number },
): Map<HookName, number[]> {
  const shapes = new Map<HookName, number[]>();
  for (const [name, traced] of traceHooks(model)) {
    const { value, order } = captureOutput(name, traced);
    const axes = sizes(value);
    shapes.set(
      name,
      order!.map((axis) => axes.get(axis)!.evaluate(size)),
    );
  }
  return shapes;
}
