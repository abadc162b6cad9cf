import { wholeText } from '../attention/places.ts';
import { LoadError } from '../error.ts';
import type { Checkpoint } from '../load/checkpoint.ts';
import { ConfigReader } from '../load/config.ts';
import type { Tokenizer } from '../load/tokenizer.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { input } from '../tensor/index.ts';
import type { Decoder } from './decoder.ts';
import { logits } from './forward.ts';
import type { HookName } from './hook-names.ts';
import { createHooks } from './hooks.ts';
import { families } from './registry.ts';
import { checkWeights, WeightStore, weightsOf } from './weights.ts';

/** A checkpoint with the model function that its family gives, and the runtime that runs it. Owns the checkpoint and the runtime. */
export interface Model extends AsyncDisposable {
  readonly decoder: Decoder;
  readonly checkpoint: Checkpoint;
  readonly tokenizer: Tokenizer | undefined;
  readonly runtime: Runtime;
  readonly weights: WeightStore;
  /** Every weight by name, with the sizes of its axes. */
  readonly weightShapes: ReadonlyMap<string, readonly number[]>;
  /** Hook points that fire, in order. */
  readonly hookNames: readonly HookName[];
  readonly parameters: number;
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
}

/**
 * Builds the model of a checkpoint. Strict: an unknown family, a configuration key nobody reads, a missing, misshapen or unread
 * tensor is a LoadError by name, before anything runs.
 */
export function createModel({ checkpoint: stored, runtime, tokenizer, keepWeights = 0 }: ModelOptions): Model {
  const { source } = stored.provenance;
  const type = stored.config.model_type;
  const family = families.find((candidate) => candidate.modelTypes.includes(String(type)));
  if (!family)
    throw new LoadError(
      `${source}: model_type ${JSON.stringify(type) ?? 'is missing'}; this version reads ${families.flatMap((f) => f.modelTypes).join(', ')}`,
    );
  const checkpoint = family.adapt?.(stored) ?? stored;
  const config = new ConfigReader(checkpoint.config, `${source} config.json`);
  config.oneOf('model_type', family.modelTypes);
  const decoder = family.build(config, checkpoint);
  config.done();
  const hookNames: HookName[] = [];
  const hooks = createHooks({ reads: () => true, read: (name) => hookNames.push(name) });
  const all = logits(decoder, input('ids', { B: 'B', T: 'T' }, 'int64'), wholeText('T'), hooks);
  const weightShapes = weightsOf([all as never]);
  checkWeights(checkpoint, decoder, weightShapes);
  const parameters = [...weightShapes.values()].reduce((total, shape) => total + shape.reduce((a, b) => a * b, 1), 0);
  const weights = new WeightStore(checkpoint, 4 * parameters <= keepWeights);
  const dispose = async () => {
    weights.clear();
    await runtime.dispose();
    await checkpoint.close();
  };
  return {
    decoder,
    checkpoint,
    tokenizer,
    runtime,
    weights,
    weightShapes,
    hookNames,
    parameters,
    dispose,
    [Symbol.asyncDispose]: dispose,
  };
}
