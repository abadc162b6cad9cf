import { LoadError } from '../error.ts';
import type { SafetensorsFile } from '../load/safetensors-file.ts';
import type { HostTensor } from '../runtime/backend.ts';
import { asMemory } from './encode.ts';
import type { Batch, TokenBatch } from './input.ts';
import type { Model } from './model.ts';
import { readsTokens, type TokenStack } from './stack.ts';

/** What a stack gave, for those that read it. */
export interface Made {
  /** After the final norm, [B, T, M]. */
  readonly stream: HostTensor;
  readonly outputs: ReadonlyMap<string, HostTensor>;
}

/** The stacks of a checkpoint, those first that others read. */
export function inOrder(model: Model): Model[] {
  const reads = ({ stack }: Model) => (readsTokens(stack) && (stack.memory || stack.imageToken !== undefined) ? 1 : 0);
  return [...model.parts.values()].sort((a, b) => reads(a) - reads(b));
}

/** The batch of a stack in a reference file: token ids, pictures or spectrograms, and what other stacks made of theirs. */
export async function readReferenceBatch(
  reference: SafetensorsFile,
  { stack }: Model,
  prefix: 'input.' | 'padded.',
  made: ReadonlyMap<string, Made>,
): Promise<Batch> {
  const read = async <const N extends number>(name: string, axes: readonly string[] & { readonly length: N }) => {
    const shape = reference.tensors.get(prefix + name)?.shape;
    if (shape?.length !== axes.length || shape.includes(0))
      throw new LoadError(
        `${reference.name}: expected ${prefix}${name} of shape [${axes.join(', ')}], ${shape ? `got [${shape}]` : 'it is missing'}`,
      );
    return { shape, values: await reference.read(prefix + name) };
  };
  if (stack.reads === 'pixels') {
    const { shape, values } = await read('pixel_values', ['B', 'C', 'Y', 'X']);
    return { pixels: values, shape: [shape[0]!, shape[1]!, shape[2]!, shape[3]!] };
  }
  if (stack.reads === 'features') {
    const { shape, values } = await read('input_features', ['B', 'C', 'N']);
    return { features: values, shape: [shape[0]!, shape[1]!, shape[2]!] };
  }
  const rows = async (name: string) => {
    const { shape, values } = await read(name, ['B', 'T']);
    const flat = Array.from(values);
    return Array.from({ length: shape[0]! }, (_, b) => flat.slice(b * shape[1]!, (b + 1) * shape[1]!));
  };
  const before = stack.part === 'decoder' ? 'decoder_' : '';
  const mask = `${before}attention_mask`;
  const masked = reference.tensors.has(prefix + mask) || (prefix === 'padded.' && before === '');
  const ids = await rows(`${before}input_ids`);
  return {
    ids,
    ...(masked ? { attentionMask: await rows(mask) } : {}),
    ...readMade(stack, ids, made),
  };
}

/** The memory that an encoder gave, and the patches that stand in place of tokens. */
function readMade(
  { memory, imageToken }: TokenStack,
  ids: TokenBatch['ids'],
  made: ReadonlyMap<string, Made>,
): Pick<TokenBatch, 'memory' | 'given'> {
  const encoder = memory && made.get('encoder')!.stream;
  const patches = imageToken === undefined ? undefined : made.get('vision')!.outputs.get('image_hidden_states');
  let seen = 0;
  return {
    ...(encoder ? { memory: asMemory(encoder) } : {}),
    ...(patches
      ? {
          given: {
            values: patches.data as Float32Array,
            shape: patches.shape as [number, number],
            rows: ids.map((row) => row.map((id) => (id === imageToken ? seen++ : -1))),
          },
        }
      : {}),
  };
}
