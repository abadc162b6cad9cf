/** The side of transformers.js on onnxruntime-node: the model's `forward` with its cache, as `generate` calls it. */
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { argmax, serve } from './serve.ts';

interface Tensor {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}
type Cache = object;
type Forward = (inputs: Record<string, Tensor | Cache>) => Promise<Record<string, Tensor>>;
interface Library {
  readonly env: { allowRemoteModels: boolean; localModelPath: string };
  readonly Tensor: new (type: 'int64', data: BigInt64Array, dims: readonly number[]) => Tensor;
  readonly DynamicCache: new (entries: Record<string, Tensor>) => Cache;
  readonly AutoModelForCausalLM: {
    from_pretrained(
      name: string,
      options: {
        dtype: string;
        device: 'cpu';
        local_files_only: boolean;
        session_options: { intraOpNumThreads: number };
      },
    ): Promise<{ forward: Forward }>;
  };
}

await serve(async ({ model: path, threads, folder, weights }) => {
  const root = join(folder, 'node_modules/@huggingface/transformers');
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const { env, Tensor, DynamicCache, AutoModelForCausalLM } = (await import(
    pathToFileURL(join(root, 'dist/transformers.node.mjs')).href
  )) as Library;
  env.allowRemoteModels = false;
  env.localModelPath = dirname(path);
  const model = await AutoModelForCausalLM.from_pretrained(basename(path), {
    dtype: weights,
    device: 'cpu',
    local_files_only: true,
    session_options: { intraOpNumThreads: threads },
  });
  let cache: Cache | undefined;
  let read = 0;
  const forward = async (ids: readonly number[]) => {
    read += ids.length;
    const inputs: Record<string, Tensor | Cache> = {
      input_ids: new Tensor('int64', BigInt64Array.from(ids, BigInt), [1, ids.length]),
      attention_mask: new Tensor('int64', new BigInt64Array(read).fill(1n), [1, read]),
    };
    const { logits, ...rest } = await model.forward(cache ? { ...inputs, past_key_values: cache } : inputs);
    const kept = Object.entries(rest).filter(([name]) => name.startsWith('present'));
    cache = new DynamicCache(
      Object.fromEntries(kept.map(([name, value]) => [name.replace('present', 'past_key_values'), value])),
    );
    const V = logits!.dims.at(-1)!;
    return argmax(logits!.data, logits!.data.length - V);
  };
  return {
    version: `${version} ${weights}`,
    async clear() {
      cache = undefined;
      read = 0;
    },
    prefill: forward,
    next: (id) => forward([id]),
  };
});
