import { memoryFolder } from '../../src/load/bytes-memory.ts';
import { openSafetensors } from '../../src/load/safetensors.ts';
import { createModel, type Model } from '../../src/models/model.ts';
import { webRuntime } from '../../src/runtime/web.ts';

/** A model whose files the page fetches, on two threads. */
export async function fetchedModel(folder: string): Promise<Model> {
  const bytes = async (name: string) => {
    const response = await fetch(`${folder}/${name}`);
    if (!response.ok) throw new Error(`${name}: ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  };
  const names = ['config.json', 'model.safetensors'];
  const files = new Map(await Promise.all(names.map(async (name) => [name, await bytes(name)] as const)));
  const runtime = webRuntime({ threads: 2, wasmPaths: '/onnxruntime/' });
  return createModel({ checkpoint: await openSafetensors(memoryFolder(folder, files)), runtime });
}
