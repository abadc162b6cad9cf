import { InputError, LoadError } from '../error.ts';
import type { Checkpoint } from '../load/checkpoint.ts';
import { ConfigReader } from '../load/config.ts';
import type { Decoder } from '../models/decoder.ts';
import { decoderOf } from '../models/model.ts';
import { families } from '../models/registry.ts';

/** A Hugging Face configuration: what `config.json` says. */
export type ModelConfig = Readonly<Record<string, unknown>>;

/**
 * The decoder that a configuration describes, without a checkpoint: what is trained from nothing. Throws a LoadError for an unknown
 * family, a key that nobody reads, or a value out of range; an InputError for a model that is no causal decoder.
 */
export function decoderFromConfig(config: ModelConfig): Decoder {
  const type = config.model_type;
  const family = families.find(({ modelTypes }) => modelTypes.includes(String(type)));
  if (!family)
    throw new LoadError(
      `configuration: model_type ${JSON.stringify(type) ?? 'is missing'}; this version knows ${families.flatMap((f) => f.modelTypes).join(', ')}`,
    );
  const reader = new ConfigReader(config, 'configuration');
  reader.oneOf('model_type', family.modelTypes);
  const built = family.build(reader, nothingStored(config));
  reader.done();
  if (!('parts' in built)) return decoderOf(built);
  const decoder = decoderOf(built.parts[built.main]!);
  const names = Object.keys(built.parts);
  if (names.length === 1) return decoder;
  throw new InputError(`${decoder.family} is ${names.join(' and ')}; a causal decoder of tokens alone is needed here`);
}

/** For families whose names depend on what a file holds: they take those that transformers writes. */
function nothingStored(config: ModelConfig): Checkpoint {
  const refuse = async (): Promise<never> => {
    throw new LoadError('configuration: there are no stored tensors to read');
  };
  return {
    config,
    tensors: new Map(),
    provenance: { format: 'safetensors', source: 'configuration', dtypes: [], ropePairing: 'half-split' },
    read: refuse,
    readBytes: refuse,
    files: async () => [],
    close: async () => {},
  };
}
