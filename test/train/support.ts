import { onTestFinished } from 'vitest';
import { openLocal } from '../../src/load/open-local.ts';
import { createModel, type Model } from '../../src/models/model.ts';
import { seededRandom, seedFor } from '../../src/random.ts';
import type { HostTensor } from '../../src/runtime/backend.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import type { Optimizer } from '../../src/train/optimizer.ts';
import { parametersOf } from '../../src/train/parameter.ts';
import { freshSlots, type TrainState } from '../../src/train/state.ts';
import type { Task } from '../../src/train/task.ts';
import { bundled } from '../fixtures.ts';

export function runtimeForTest(threads = 1): Runtime {
  const runtime = nodeRuntime({ threads });
  onTestFinished(() => runtime.dispose());
  return runtime;
}

/** The bundled llama fixture: 3 blocks, width 32, vocabulary 97. */
export async function llama(): Promise<Model> {
  const model = createModel({
    checkpoint: await openLocal(bundled('families/llama')),
    runtime: nodeRuntime({ threads: 1 }),
  });
  onTestFinished(() => model.dispose());
  return model;
}

/** The state before the first step, with the parameters of a checkpoint. */
export async function stateOf(model: Model, task: Task, optimizer: Optimizer): Promise<TrainState> {
  const parameters = parametersOf([task.loss]);
  const values = await Promise.all(parameters.map(({ name }) => model.checkpoint.read(name)));
  return {
    step: 0,
    parameters: new Map(parameters.map(({ name }, i) => [name, values[i]!])),
    slots: freshSlots(parameters, optimizer),
  };
}

export const idsOf = (values: readonly number[], shape: readonly number[]): HostTensor => ({
  type: 'int64',
  shape,
  data: BigInt64Array.from(values, BigInt),
});

export const floats = (values: readonly number[], shape: readonly number[]): HostTensor => ({
  type: 'float32',
  shape,
  data: Float32Array.from(values),
});

/** Token ids below 97 for batch number `index`. */
export function someBatch(index: number, B = 2, length = 9): { ids: HostTensor } {
  const random = seededRandom(seedFor(7, 'batch', index));
  return {
    ids: idsOf(
      Array.from({ length: B * length }, () => Math.floor(random() * 97)),
      [B, length],
    ),
  };
}
