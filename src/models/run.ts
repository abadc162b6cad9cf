import { InputError } from '../error.ts';
import type { HostTensor } from '../runtime/backend.ts';
import { merge, type Output, sizes, type Tensor } from '../tensor/index.ts';
import { compileOver, weightFeeds } from './compile.ts';
import { embedded, feed, named } from './feed.ts';
import { finalStream, stackLogits } from './forward.ts';
import { canonicalHook, type HookName, type HookPattern, hookOrder, matches } from './hook-names.ts';
import { createHooks, type Edits } from './hooks.ts';
import type { Batch } from './input.ts';
import type { Model } from './model.ts';
import { nearestHooks } from './nearest-hook.ts';
import { type CaptureSelection, checkSelection, keptAxes, selectOutput } from './select-capture.ts';

export interface RunOptions {
  /** Hook points to read, by name or pattern. Default none. */
  readonly capture?: readonly HookPattern[];
  /** Hook points to change while the model runs. Default none. */
  readonly edit?: Edits;
  /** Compute logits [B, T, V], where the stack has them, and its other outputs. Default true; without them their weights are not touched. */
  readonly logits?: boolean;
  /** Which heads and positions of captured values leave the graph. Default all. */
  readonly select?: CaptureSelection;
}

export interface RunResult {
  /** [B, T, V] */
  readonly logits?: HostTensor;
  /** What else the stack gives, by name: `pooler_output`, `image_embeds`; none without logits. */
  readonly outputs: ReadonlyMap<string, HostTensor>;
  /** By canonical name, in the order in which they fire; axes as documented in `hookOrders` (query heads as H). */
  readonly captured: ReadonlyMap<HookName, HostTensor>;
}

/**
 * The canonical name of every hook point that a list of names and patterns means, in the order in which they fire; patterns for these
 * layers only where `layers` is given. Throws an InputError for a name or layer that means none.
 */
export function expandHooks(model: Model, patterns: readonly string[], layers?: readonly number[]): HookName[] {
  const { L } = model.stack.sizes;
  for (const layer of layers ?? [])
    if (!(Number.isInteger(layer) && layer >= 0 && layer < L))
      throw new InputError(`layer ${layer}: ${named(model.stack)} has layers 0 to ${L - 1}`);
  const wanted = patterns.map((pattern) => {
    const name = canonicalHook(pattern);
    if (name === undefined || !model.hookNames.some((candidate) => matches(name, candidate)))
      throw noSuchHook(model, pattern, name);
    return name;
  });
  const inLayers = (name: HookName, pattern: HookPattern) =>
    !layers || !pattern.startsWith('blocks.*.') || layers.includes(Number(name.split('.')[1]));
  return model.hookNames.filter((name) => wanted.some((pattern) => matches(pattern, name) && inLayers(name, pattern)));
}

function noSuchHook({ stack, hookNames }: Model, asked: string, name: HookPattern | undefined): InputError {
  const place = `hook ${JSON.stringify(asked.slice(0, 120))}: ${named(stack)}`;
  const layer = Number(/^blocks\.(\d+)\./.exec(name ?? '')?.[1] ?? -1);
  if (layer >= stack.sizes.L) return new InputError(`${place} has layers 0 to ${stack.sizes.L - 1}`);
  const near = nearestHooks(asked, hookNames);
  return new InputError(
    `${place} has no such hook point${near.length > 0 ? `; nearest: ${near.join(', ')}` : ''}; \`sinklab info\` lists those it has`,
  );
}

/** A captured value as it leaves a program: query heads G and R as one axis H. */
export function captureOutput(name: HookName, value: Tensor<string>): Output {
  const axes = sizes(value);
  return {
    value: axes.has('G') && axes.has('R') ? merge(value as unknown as Tensor<'G' | 'R'>, ['G', 'R'], 'H') : value,
    order: hookOrder(name),
  };
}

/**
 * Runs the model on a batch: logits, and any hook point read or edited. Reading or editing inside attention takes the watched
 * lowering; otherwise attention is one fused operator where the family permits it.
 */
export async function run(model: Model, batch: Batch, options: RunOptions = {}): Promise<RunResult> {
  const names = new Set(expandHooks(model, options.capture ?? []));
  const edit = options.edit ?? {};
  expandHooks(model, Object.keys(edit));
  const { stack } = model;
  const fed = feed(stack, batch);
  if (options.select) checkSelection(model, options.select, fed.T);
  const outputs: Record<string, Output> = {};
  const read = (name: HookName, value: Tensor<string>) => {
    const output = captureOutput(name, value);
    outputs[name] = options.select ? selectOutput(output, keptAxes(model, name, options.select)) : output;
  };
  const hooks = createHooks({ edit, read, reads: (name) => names.has(name) });
  const start = embedded(stack, fed.form);
  const last = finalStream(stack, start, hooks);
  const logits = options.logits === false ? undefined : stackLogits(stack, last, hooks);
  if (logits) outputs.logits = { value: logits, order: ['B', 'T', 'V'] };
  const others = options.logits === false ? [] : Object.entries(stack.outputs ?? {});
  for (const [name, output] of others) outputs[`output.${name}`] = output(last, start.places);
  if (Object.keys(outputs).length === 0) outputs.hidden = { value: last, order: ['B', 'T', 'M'] };
  const { graph, program } = await compileOver(model, outputs);
  const feeds = await weightFeeds(model, graph);
  // An input that nothing of this program uses was not made part of it.
  for (const { name } of graph.inputs) if (fed.feeds[name]) feeds[name] = fed.feeds[name];
  const { logits: values, hidden: _, ...rest } = await program.run(feeds);
  const captured = new Map([...names].map((name) => [name, rest[name]!] as const));
  const made = new Map(others.map(([name]) => [name, rest[`output.${name}`]!] as const));
  return { ...(values ? { logits: values } : {}), outputs: made, captured };
}
