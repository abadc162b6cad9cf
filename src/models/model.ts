import { InputError, LoadError } from '../error.ts';
import type { Checkpoint } from '../load/checkpoint.ts';
import { ConfigReader } from '../load/config.ts';
import type { Tokenizer } from '../load/tokenizer.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Tensor } from '../tensor/index.ts';
import type { Decoder } from './decoder.ts';
import { embedded, named, plainForm } from './feed.ts';
import { finalStream, stackLogits } from './forward.ts';
import type { HookName } from './hook-names.ts';
import { createHooks, type Hooks } from './hooks.ts';
import { refusalOf } from './refused-families.ts';
import { families } from './registry.ts';
import { readsTokens, type Stack, type Stacks } from './stack.ts';
import { checkWeights, WeightStore, weightsOf } from './weights.ts';

/** One stack of a checkpoint with the model function that its family gives, and the runtime that runs it. */
export interface Model extends AsyncDisposable {
  readonly stack: Stack;
  /** The stack, where it is a causal decoder with logits; else an InputError that says what it is. */
  readonly decoder: Decoder;
  /** The stacks of the checkpoint by name, this one among them; empty where there is one. They share weights and runtime. */
  readonly parts: ReadonlyMap<string, Model>;
  readonly checkpoint: Checkpoint;
  readonly tokenizer: Tokenizer | undefined;
  readonly runtime: Runtime;
  readonly weights: WeightStore;
  /** Every weight of the stack by name, with the sizes of its axes. */
  readonly weightShapes: ReadonlyMap<string, readonly number[]>;
  /** Hook points that fire, in order. */
  readonly hookNames: readonly HookName[];
  readonly parameters: number;
  /** Closes checkpoint and runtime, for all stacks. */
  dispose(): Promise<void>;
}

export interface ModelOptions {
  readonly checkpoint: Checkpoint;
  readonly runtime: Runtime;
  readonly tokenizer?: Tokenizer | undefined;
  /**
   * Decoded weights stay in memory between runs when they take at most this many bytes: faster where a model is scanned again and again.
   * Default 0: a scan drops each layer's weights when the layer is done.
   */
  readonly keepWeights?: number;
  /** Which stack of a checkpoint that has several. Default: the family's main one. */
  readonly part?: string | undefined;
}

/**
 * Builds the model of a checkpoint. Strict: an unknown family, a configuration key nobody reads, a missing, misshapen or unread
 * tensor is a LoadError by name, before anything runs. Throws an InputError for a part that there is not.
 */
export function createModel({ checkpoint: stored, runtime, tokenizer, keepWeights = 0, part }: ModelOptions): Model {
  const { source } = stored.provenance;
  const type = stored.config.model_type;
  const family = families.find((candidate) => candidate.modelTypes.includes(String(type)));
  if (!family) throw unknownFamily(source, type);
  const checkpoint = family.adapt?.(stored) ?? stored;
  const config = new ConfigReader(checkpoint.config, `${source} config.json`);
  config.oneOf('model_type', family.modelTypes);
  const built = family.build(config, checkpoint);
  config.done();
  const stacks: Stacks = 'parts' in built ? built : { main: '', parts: { '': built } };
  const traced = Object.entries(stacks.parts).map(([name, stack]) => ({ name, stack, ...trace(stack) }));
  const all = new Map(traced.flatMap(({ weightShapes }) => [...weightShapes]));
  checkWeights(checkpoint, Object.values(stacks.parts), all);
  const weights = new WeightStore(checkpoint, 4 * count(all) <= keepWeights);
  const dispose = async () => {
    weights.clear();
    await runtime.dispose();
    await checkpoint.close();
  };
  const parts = new Map<string, Model>();
  const shared = { parts, checkpoint, tokenizer, runtime, weights, dispose, [Symbol.asyncDispose]: dispose };
  const models = traced.map(({ name, stack, weightShapes, hookNames }) => {
    const model = withDecoder({ ...shared, stack, weightShapes, hookNames, parameters: count(weightShapes) });
    return [name, model] as const;
  });
  if (models.length > 1) for (const [name, model] of models) parts.set(name, model);
  const found = models.find(([name]) => name === (part ?? stacks.main));
  if (!found)
    throw new InputError(
      parts.size === 0
        ? `part ${JSON.stringify(part)}: ${models[0]![1].stack.family} is one stack`
        : `part ${JSON.stringify(part)}: ${models[0]![1].stack.family} has ${[...parts.keys()].join(', ')}`,
    );
  return found[1];
}

function unknownFamily(source: string, type: unknown): LoadError {
  const refused = refusalOf(type);
  return new LoadError(
    refused
      ? `${source}: model_type ${JSON.stringify(type)} (${refused.title}) is not read. ${refused.reason} \`sinklab families\` lists what is`
      : `${source}: model_type ${JSON.stringify(type) ?? 'is missing'}; this version reads ${families.flatMap((f) => f.modelTypes).join(', ')}`,
  );
}

/** The model with something replaced: other weights, or another stack. */
export function replaced(
  model: Model,
  change: Partial<Pick<Model, 'stack' | 'checkpoint' | 'weights' | 'runtime'>>,
): Model {
  const { stack, parts, checkpoint, tokenizer, runtime, weights, weightShapes, hookNames, parameters } = model;
  const { dispose } = model;
  const kept = { stack, parts, checkpoint, tokenizer, runtime, weights, weightShapes, hookNames, parameters, dispose };
  return withDecoder({ ...kept, [Symbol.asyncDispose]: dispose, ...change });
}

function withDecoder(model: Omit<Model, 'decoder'>): Model {
  return {
    ...model,
    get decoder() {
      return decoderOf(model.stack);
    },
  };
}

/** The stack as a causal decoder with logits. Throws an InputError that says what it is instead. */
export function decoderOf(stack: Stack): Decoder {
  const what = !readsTokens(stack)
    ? `reads ${stack.reads === 'pixels' ? 'pictures' : 'spectrograms'}`
    : stack.causal === false
      ? 'sees texts in both directions'
      : stack.memory
        ? 'looks at what an encoder gave'
        : stack.unembed
          ? undefined
          : 'has no logits';
  if (what === undefined) return stack as Decoder;
  throw new InputError(`${named(stack)} ${what}; a causal decoder of tokens is needed here`);
}

const count = (shapes: ReadonlyMap<string, readonly number[]>) =>
  [...shapes.values()].reduce((total, shape) => total + shape.reduce((a, b) => a * b, 1), 0);

/** All that a stack can give for a batch, by default a plain one: its weights and hook points are below it. */
export function everyValue(stack: Stack, hooks: Hooks = createHooks(), form = plainForm(stack)): Tensor<never>[] {
  const start = embedded(stack, form);
  const last = finalStream(stack, start, hooks);
  const logits = stackLogits(stack, last, hooks);
  const others = Object.values(stack.outputs ?? {}).map(
    (output) => output(last, start.places).value as unknown as Tensor<never>,
  );
  return [(logits ?? last) as unknown as Tensor<never>, ...others];
}

function trace(stack: Stack): Pick<Model, 'weightShapes' | 'hookNames'> {
  const hookNames: HookName[] = [];
  const hooks = createHooks({ reads: () => true, read: (name) => hookNames.push(name) });
  return { weightShapes: weightsOf(everyValue(stack, hooks)), hookNames };
}
