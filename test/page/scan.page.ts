import { memoryFolder } from '../../src/load/bytes-memory.ts';
import { openSafetensors } from '../../src/load/safetensors.ts';
import { scan } from '../../src/measure/scan.ts';
import { createModel } from '../../src/models/model.ts';
import { webRuntime } from '../../src/runtime/web.ts';
import { describeIds } from './scan-input.ts';

/** Scans a fixture in the page, as `scan-input.ts` says. */
export async function scanInPage(folder: string) {
  const bytes = async (name: string) => {
    const response = await fetch(`${folder}/${name}`);
    if (!response.ok) throw new Error(`${name}: ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  };
  const names = ['config.json', 'model.safetensors'];
  const files = new Map(await Promise.all(names.map(async (name) => [name, await bytes(name)] as const)));
  const runtime = webRuntime({ threads: 2, wasmPaths: '/onnxruntime/' });
  await using model = createModel({ checkpoint: await openSafetensors(memoryFolder(folder, files)), runtime });
  const { alpha, received, sinkRates, page } = await scan(model, describeIds(model.decoder.sizes.V));
  return { alpha, received, sinkRates, largest: page.curves.largest };
}
