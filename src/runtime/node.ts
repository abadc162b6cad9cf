import { availableParallelism } from 'node:os';
import * as ort from 'onnxruntime-node';
import type { Backend } from './backend.ts';
import { machineMemory } from './memory-node.ts';
import { type OnnxRuntime, openSession } from './onnxruntime.ts';
import { Runtime, type RuntimeOptions } from './runtime.ts';

const cpu: Backend = {
  name: `onnxruntime-node ${ort.env.versions.node ?? ort.env.versions.common}`,
  device: 'cpu',
  memory: machineMemory().total,
  compile: (model, options) => openSession(ort as unknown as OnnxRuntime, model, 'cpu', options),
};

/** Runs programs on the processor with onnxruntime-node. Default threads: as many as the machine offers. */
export function nodeRuntime(options: RuntimeOptions = {}): Runtime {
  return new Runtime(cpu, { threads: availableParallelism(), ...options });
}
