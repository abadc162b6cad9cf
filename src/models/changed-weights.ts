import type { Checkpoint } from '../load/checkpoint.ts';
import { type Model, replaced } from './model.ts';
import { WeightStore } from './weights.ts';

/**
 * The same model over changed weights: each tensor as `change` gives it back, whenever it is read. The runtime is shared, so disposing of it is
 * the original's affair.
 */
export function changedWeights(
  model: Model,
  change: (name: string, values: Float32Array<ArrayBuffer>) => Float32Array<ArrayBuffer>,
): Model {
  const { checkpoint: stored } = model;
  const checkpoint: Checkpoint = {
    config: stored.config,
    // None lies in its file as it is read here.
    tensors: new Map([...stored.tensors].map(([name, { inPlace: _, ...tensor }]) => [name, tensor])),
    provenance: stored.provenance,
    read: async (name) => change(name, await stored.read(name)),
    readBytes: (name) => stored.readBytes(name),
    files: () => stored.files(),
    close: () => stored.close(),
  };
  return replaced(model, { checkpoint, weights: new WeightStore(checkpoint, model.weights.keep) });
}
