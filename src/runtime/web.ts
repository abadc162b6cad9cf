import * as ort from 'onnxruntime-web/wasm';
import type { Backend } from './backend.ts';
import { type OnnxRuntime, openSession } from './onnxruntime.ts';
import { Runtime, type RuntimeOptions } from './runtime.ts';

export interface WebRuntimeOptions extends RuntimeOptions {
  /** Folder URL of the `.wasm` files of onnxruntime-web. Default: beside its script. */
  readonly wasmPaths?: string;
}

/**
 * Runs programs in the page with onnxruntime-web on WebAssembly. More than one thread needs a cross-origin isolated page
 * (`Cross-Origin-Opener-Policy: same-origin`, `Cross-Origin-Embedder-Policy: require-corp`); without it, one thread is used.
 */
export function webRuntime({ wasmPaths, ...options }: WebRuntimeOptions = {}): Runtime {
  const threads = globalThis.crossOriginIsolated ? (options.threads ?? navigator.hardwareConcurrency) : 1;
  ort.env.wasm.numThreads = threads;
  if (wasmPaths !== undefined) ort.env.wasm.wasmPaths = wasmPaths;
  const wasm: Backend = {
    name: `onnxruntime-web ${ort.env.versions.web ?? ort.env.versions.common}`,
    device: 'wasm',
    memory: 2 ** 32,
    compile: (model, session) => openSession(ort as unknown as OnnxRuntime, model, 'wasm', session),
  };
  return new Runtime(wasm, { ...options, threads });
}
