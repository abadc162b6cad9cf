import { wholeText } from '../attention/places.ts';
import { InputError, LoadError } from '../error.ts';
import type { Checkpoint, StoredTensor } from '../load/checkpoint.ts';
import { logits } from '../models/forward.ts';
import { createHooks } from '../models/hooks.ts';
import { input } from '../tensor/index.ts';
import { decoderFromConfig, type ModelConfig } from './decoder-config.ts';
import { parametersOf, storedShape } from './parameter.ts';
import { elementsOf, type TrainState } from './state.ts';

/** Families whose files group axes in ways that a graph does not tell (a convolution's [out, 1, taps], norms of every head), or hold tables of ids. */
export const ungrouped: readonly string[] = ['cohere', 'deepseek_v4', 'lfm3', 'minimax', 'qwen3_next', 'qwen3_5'];

/**
 * Names and stored shapes of the parameters of a configuration, in the order in which the model asks for them. Throws an InputError for
 * families whose files cannot be written yet.
 */
export function storedShapes(config: ModelConfig): Map<string, number[]> {
  const { family } = decoderFromConfig(config);
  if (ungrouped.includes(family))
    throw new InputError(
      `a model of family ${family} can be read but not written yet: its files have shapes of their own`,
    );
  const ids = input('ids', { B: 'B', T: 'T' }, 'int64');
  const all = logits(decoderFromConfig(config), ids, wholeText('T'), createHooks());
  return new Map(parametersOf([all]).map((parameter) => [parameter.name, storedShape(parameter)]));
}

/**
 * Parameters as they are now, as a checkpoint: `createModel`, `run` and `scan` work on what is being trained. Throws an
 * InputError, by name, for a parameter that is missing, of another size, or not the configuration's.
 * @param source what results call it, default `parameters in memory`.
 */
export function memoryCheckpoint(
  config: ModelConfig,
  parameters: TrainState['parameters'],
  source = 'parameters in memory',
): Checkpoint {
  const tensors = new Map<string, StoredTensor>();
  for (const [name, shape] of storedShapes(config)) {
    const values = parameters.get(name);
    if (values?.length !== elementsOf(shape))
      throw new InputError(
        `${source}: the configuration makes ${name} [${shape.join(', ')}], got ${values ? `${values.length} values` : 'nothing'}`,
      );
    tensors.set(name, { name, dtype: 'F32', shape, bytes: values.byteLength });
  }
  for (const name of parameters.keys())
    if (!tensors.has(name)) throw new InputError(`${source}: the configuration knows no parameter ${name}`);
  const find = (name: string) => {
    const values = tensors.has(name) ? parameters.get(name) : undefined;
    if (!values) throw new LoadError(`${source}: there is no tensor "${name}"`);
    return values;
  };
  return {
    config,
    tensors,
    provenance: { format: 'safetensors', source, dtypes: ['F32'], ropePairing: 'half-split' },
    read: async (name) => find(name).slice(),
    readBytes: async (name) => {
      const { buffer, byteOffset, byteLength } = find(name);
      return new Uint8Array(buffer, byteOffset, byteLength).slice();
    },
    files: async () => [],
    close: async () => {},
  };
}
