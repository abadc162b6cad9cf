import { sizes, type Tensor } from '../tensor/index.ts';
import type { Form } from './feed.ts';
import type { HookName } from './hook-names.ts';
import { createHooks } from './hooks.ts';
import { everyValue, type Model } from './model.ts';
import { captureOutput } from './run.ts';

/** The symbolic value of every hook point, in the order in which they fire; nothing is run. */
export function traceHooks({ stack }: Pick<Model, 'stack'>, form?: Form): Map<HookName, Tensor<string>> {
  const values = new Map<HookName, Tensor<string>>();
  const hooks = createHooks({ reads: () => true, read: (name, value) => values.set(name, value) });
  everyValue(stack, hooks, form);
  return values;
}

/**
 * Shapes of captured values for B texts of T tokens, in documented order; a memory has N positions, by default T. Pictures of another size
 * than the usual one need their form.
 */
export function hookShapes(
  model: Pick<Model, 'stack'>,
  { B, T, N = T, form }: { readonly B: number; readonly T: number; readonly N?: number; readonly form?: Form },
): Map<HookName, number[]> {
  const shapes = new Map<HookName, number[]>();
  for (const [name, traced] of traceHooks(model, form)) {
    const { value, order } = captureOutput(name, traced);
    const axes = sizes(value);
    shapes.set(
      name,
      order!.map((axis) => axes.get(axis)!.evaluate({ B, T, N })),
    );
  }
  return shapes;
}
