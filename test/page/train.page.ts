import { webRuntime } from '../../src/runtime/web.ts';
import { trainToy } from '../../src/train/toys/train-toy.ts';
import { triggerAveraging } from '../../src/train/toys/trigger-averaging.ts';

/** The losses of a short training run in the page. */
export async function losses(steps: number): Promise<number[]> {
  const runtime = webRuntime({ threads: 2, wasmPaths: '/onnxruntime/' });
  const found: number[] = [];
  await trainToy(triggerAveraging(), runtime, { steps, progress: (_, { loss }) => found.push(loss!) });
  await runtime.dispose();
  return found;
}
