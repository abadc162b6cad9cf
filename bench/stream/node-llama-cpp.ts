/** node-llama-cpp's side, on its prebuilt binary, with its default options but for threads and the size of the context. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { serve } from './serve.ts';

type Tokens = AsyncGenerator<number, void, number | undefined>;
interface Sequence {
  clearHistory(): Promise<void>;
  evaluate(ids: readonly number[], options: { temperature: number; yieldEogToken: boolean }): Tokens;
}
interface Llama {
  loadModel(options: { modelPath: string }): Promise<{
    createContext(options: { contextSize: number; threads: number }): Promise<{ getSequence(): Sequence }>;
  }>;
}
interface Library {
  getLlama(options: {
    gpu: false;
    build: 'never';
    progressLogs: boolean;
    logLevel: string;
    maxThreads: number;
  }): Promise<Llama>;
}

await serve(async ({ model: modelPath, threads, capacity, folder }) => {
  const root = join(folder, 'node_modules/node-llama-cpp');
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const { getLlama } = (await import(pathToFileURL(join(root, 'dist/index.js')).href)) as Library;
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    progressLogs: false,
    logLevel: 'error',
    maxThreads: threads,
  });
  const model = await llama.loadModel({ modelPath });
  const context = await model.createContext({ contextSize: capacity, threads });
  const sequence = context.getSequence();
  let running: Tokens | undefined;
  const take = async (id?: number) => {
    const { value, done } = await running!.next(id);
    if (done) throw new Error('it stopped by itself');
    return value!;
  };
  return {
    version,
    async clear() {
      await running?.return();
      await sequence.clearHistory();
    },
    async prefill(ids) {
      running = sequence.evaluate(ids, { temperature: 0, yieldEogToken: true });
      return take();
    },
    next: take,
  };
});
