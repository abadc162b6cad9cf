import { LoadError } from '../error.ts';
import type { Checkpoint, StoredTensor } from './checkpoint.ts';
import { doubledE2M1 } from './gguf/blocks.ts';
import { elements, storedTypes } from './provenance.ts';
import { quote } from './strict-json.ts';

/** A scale of all ones is no number (OCP microscaling formats 1.0, E8M0). */
const noScale = 255;

/** Stored blocks and scales of one tensor of experts. */
interface Packed {
  readonly blocks: StoredTensor;
  readonly scales: StoredTensor;
}

/**
 * Experts in MXFP4 as GPT-OSS was released with them, under the names and shapes of plain ones: `{name}_blocks` [E, rows, columns / 32, 16] with
 * two values a byte, the first in its low half, and `{name}_scales` [E, rows, columns / 32] become `{name}` [E, columns, rows], decoded when
 * it is read: 2^(scale − 127) times the four-bit float E2M1. Checkpoints without such tensors are left as they are.
 *
 * Throws a LoadError for blocks without scales, scales without blocks, or shapes that do not belong together.
 */
export function withMxfp4(checkpoint: Checkpoint): Checkpoint {
  const { source } = checkpoint.provenance;
  const packed = new Map<string, Packed>();
  const tensors = new Map<string, StoredTensor>();
  for (const [name, tensor] of checkpoint.tensors) {
    const [, root, part] = /^(.+\.experts\..+)_(blocks|scales)$/.exec(name) ?? [];
    if (root === undefined) {
      tensors.set(name, tensor);
      continue;
    }
    const other = `${root}_${part === 'blocks' ? 'scales' : 'blocks'}`;
    const partner = checkpoint.tensors.get(other);
    if (!partner) throw new LoadError(`${source}: tensor ${quote(name)} is in MXFP4, but there is no ${quote(other)}`);
    if (checkpoint.tensors.has(root))
      throw new LoadError(`${source}: tensor ${quote(root)} is there twice, plain and in MXFP4`);
    if (part === 'scales') continue;
    packed.set(root, { blocks: tensor, scales: partner });
    tensors.set(root, joined(root, tensor, partner, source));
  }
  if (packed.size === 0) return checkpoint;
  return {
    ...checkpoint,
    tensors,
    provenance: { ...checkpoint.provenance, dtypes: storedTypes(tensors.values()) },
    async read(name) {
      const parts = packed.get(name);
      if (!parts) return checkpoint.read(name);
      const bytes = await Promise.all([parts.blocks, parts.scales].map((part) => checkpoint.readBytes(part.name)));
      return decode(bytes[0]!, bytes[1]!, parts.blocks.shape as [number, number, number, number], () => {
        throw new LoadError(
          `${source}: tensor ${quote(parts.scales.name)} has a scale that is not a number (byte 255)`,
        );
      });
    },
  };
}

function joined(name: string, blocks: StoredTensor, scales: StoredTensor, source: string): StoredTensor {
  const { shape } = blocks;
  const expected = shape.slice(0, 3);
  const fits = shape.length === 4 && shape[3] === 16 && scales.shape.join() === expected.join();
  if (!fits || blocks.dtype !== 'U8' || scales.dtype !== 'U8')
    throw new LoadError(
      `${source}: expected ${quote(blocks.name)} of bytes [E, rows, groups, 16] and ${quote(scales.name)} of bytes [E, rows, groups], ` +
        `got ${blocks.dtype} [${shape}] and ${scales.dtype} [${scales.shape}]`,
    );
  const [E, rows, groups] = expected as [number, number, number];
  return { name, dtype: 'MXFP4', shape: [E, 32 * groups, rows], bytes: elements(shape) + elements(scales.shape) };
}

/** Values in the order [E, columns, rows]. */
function decode(
  blocks: Uint8Array,
  scales: Uint8Array,
  [E, rows, groups]: readonly [number, number, number, number],
  refuse: () => never,
): Float32Array<ArrayBuffer> {
  const columns = 32 * groups;
  const out = new Float32Array(E * columns * rows);
  for (let block = 0; block < scales.length; block++) {
    const exponent = scales[block]!;
    if (exponent === noScale) refuse();
    // The values in the table are doubled.
    const scale = 2 ** (exponent - 128);
    const row = Math.floor(block / groups) % rows;
    let to = Math.floor(block / (groups * rows)) * columns * rows + (block % groups) * 32 * rows + row;
    for (let i = 16 * block; i < 16 * block + 16; i++) {
      out[to] = scale * doubledE2M1[blocks[i]! & 15]!;
      out[to + rows] = scale * doubledE2M1[blocks[i]! >> 4]!;
      to += 2 * rows;
    }
  }
  return out;
}
