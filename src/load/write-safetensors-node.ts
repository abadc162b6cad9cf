import { writeFileAtomically } from './bytes-node.ts';
import { safetensorsChunks, type TensorToWrite } from './write-safetensors.ts';

/** Writes a safetensors file, tensor by tensor, under a temporary name, and renames it when it is complete. */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorToWrite>,
  metadata: ReadonlyMap<string, string> = new Map(),
): Promise<void> {
  await writeFileAtomically(path, safetensorsChunks(tensors, metadata));
}
