import { LoadError } from '../../error.ts';
import type { Checkpoint, StoredTensor } from '../../load/checkpoint.ts';
import { quote } from '../../load/strict-json.ts';

/** A checkpoint whose tensors go by other names; `to` gives each its own. Throws a LoadError where two would have the same. */
export function withNames(checkpoint: Checkpoint, to: (name: string) => string): Checkpoint {
  const stored = new Map<string, string>();
  const tensors = new Map<string, StoredTensor>();
  for (const [name, tensor] of checkpoint.tensors) {
    const other = stored.get(to(name));
    if (other !== undefined)
      throw new LoadError(`${checkpoint.provenance.source}: ${quote(other)} and ${quote(name)} are the same tensor`);
    stored.set(to(name), name);
    tensors.set(to(name), { ...tensor, name: to(name) });
  }
  const from = (name: string) => stored.get(name) ?? name;
  const { readBlocks } = checkpoint;
  return {
    ...checkpoint,
    tensors,
    read: (name) => checkpoint.read(from(name)),
    readBytes: (name) => checkpoint.readBytes(from(name)),
    ...(readBlocks ? { readBlocks: (name: string) => readBlocks.call(checkpoint, from(name)) } : {}),
  };
}

/** Files that came from TensorFlow call the weight of a LayerNorm `gamma` and its bias `beta`. */
export function withLayerNormNames(checkpoint: Checkpoint): Checkpoint {
  if (![...checkpoint.tensors.keys()].some((name) => /\.LayerNorm\.(gamma|beta)$/.test(name))) return checkpoint;
  return withNames(checkpoint, (name) =>
    name.replace(/\.LayerNorm\.gamma$/, '.LayerNorm.weight').replace(/\.LayerNorm\.beta$/, '.LayerNorm.bias'),
  );
}
