import type { InferenceSession, Tensor } from 'onnxruntime-common';
import { RunError } from '../error.ts';
import type { DType } from '../tensor/tensor.ts';
import type { HostTensor, Session, SessionOptions } from './backend.ts';

/** What both packages of ONNX Runtime share. */
export interface OnnxRuntime {
  readonly InferenceSession: {
    create(model: Uint8Array, options: InferenceSession.SessionOptions): Promise<InferenceSession>;
  };
  readonly Tensor: new (
    type: DType,
    data: Float32Array | Float64Array | BigInt64Array | Uint8Array,
    dims: readonly number[],
  ) => Tensor;
}

/** A session of either package behind the one interface. Memory patterns are off: they cost half again in memory and gain no time. */
export async function openSession(
  ort: OnnxRuntime,
  model: Uint8Array,
  provider: string,
  { threads, weightFolder, weightData, verbose }: SessionOptions,
): Promise<Session> {
  const options = {
    executionProviders: [provider],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    enableMemPattern: false,
    logSeverityLevel: verbose ? 2 : 4,
    ...(weightData ? { externalData: [...weightData].map(([path, data]) => ({ path, data })) } : {}),
    extra: {
      session: {
        // Threads spin while a program runs (twice the speed in single-token steps) and not after it: those of one session would take the
        // cores from the next, which halves the speed of sessions used in turn.
        ...(provider === 'cpu' ? { force_spinning_stop: '1' } : {}),
        ...(weightFolder === undefined ? {} : { model_external_initializers_file_folder_path: weightFolder }),
      },
    },
  } as const satisfies InferenceSession.SessionOptions;
  let session: InferenceSession;
  try {
    session = await ort.InferenceSession.create(model, options);
  } catch (cause) {
    throw new RunError(`the runtime did not accept the program: ${messageOf(cause)}`, { cause });
  }
  const running = new Set<Promise<unknown>>();
  // Caches are fed at every step: what is fed again need not be wrapped again.
  const wrapped = new WeakMap<HostTensor, Tensor>();
  const wrap = (fed: HostTensor) => {
    const known = wrapped.get(fed) ?? new ort.Tensor(fed.type, fed.data, fed.shape);
    if (fed.reused) wrapped.set(fed, known);
    return known;
  };
  let released = false;
  return {
    async run(feeds, fetch) {
      if (released) throw new RunError('this program has been released with its runtime; compile it again');
      try {
        const fed = Object.entries(feeds).map(([name, tensor]) => [name, wrap(tensor)]);
        const run = session.run(Object.fromEntries(fed), [...fetch]);
        running.add(run);
        const results = await run.finally(() => running.delete(run));
        return Object.fromEntries(
          Object.entries(results).map(([name, { type, dims, data }]) => [
            name,
            { type, shape: dims, data } as HostTensor,
          ]),
        );
      } catch (cause) {
        throw new RunError(`running the program failed: ${messageOf(cause)}`, { cause });
      }
    },
    async release() {
      if (released) return;
      released = true;
      await Promise.allSettled(running);
      await session.release();
    },
  };
}

const messageOf = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause)).trim();
