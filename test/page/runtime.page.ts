import * as ort from 'onnxruntime-web/wasm';
import type { HostTensor } from '../../src/runtime/backend.ts';
import { type OnnxRuntime, openSession } from '../../src/runtime/onnxruntime.ts';
import { webRuntime } from '../../src/runtime/web.ts';
import { mixtureFeeds, mixtureProgram } from './mixture.ts';
import { attentionFeeds, attentionProgram, operatorFeeds, operatorModel, type Plain, plain } from './program.ts';

const wasmPaths = '/onnxruntime/';

/** Runs the program in the page. */
export async function run(threads: number): Promise<{ isolated: boolean; threads: number; outputs: Plain }> {
  await using runtime = webRuntime({ threads, wasmPaths });
  const program = await runtime.compile(attentionProgram());
  const outputs = plain(await program.run(attentionFeeds()));
  return { isolated: crossOriginIsolated, threads: runtime.threads, outputs };
}

/** Experts on the tokens that chose them, whose numbers are known only when it runs. */
export async function mixture(T: number): Promise<Plain> {
  await using runtime = webRuntime({ threads: 2, wasmPaths });
  const program = await runtime.compile(mixtureProgram());
  return plain(await program.run(mixtureFeeds(T)));
}

/** Operators that a WebAssembly build might lack. */
export async function operators(): Promise<Plain> {
  ort.env.wasm.wasmPaths = wasmPaths;
  ort.env.wasm.numThreads = 2;
  const session = await openSession(ort as unknown as OnnxRuntime, operatorModel(), 'wasm', {
    threads: 2,
    verbose: false,
  });
  const outputs = plain(await session.run(operatorFeeds(), ['z', 'pattern', 'angle']));
  await session.release();
  return outputs;
}

/** Runs `count` times with the same fed arrays; tells whether the arrays are still whole and all results equal. */
export async function repeat(count: number): Promise<{ whole: boolean; equal: boolean }> {
  await using runtime = webRuntime({ threads: 2, wasmPaths });
  const program = await runtime.compile(attentionProgram());
  const feeds = attentionFeeds();
  const results = new Set<string>();
  for (let i = 0; i < count; i++) results.add(JSON.stringify(plain(await program.run(feeds))));
  const text = (tensors: Record<string, HostTensor>) => JSON.stringify(plain(tensors));
  return { whole: text(feeds) === text(attentionFeeds()), equal: results.size === 1 };
}
