import type { Checkpoint } from '../load/checkpoint.ts';
import type { ConfigReader } from '../load/config.ts';
import type { Decoder } from './decoder.ts';

/** One family of checkpoints: one file, one descriptor. The registry is generated from the files. */
export interface Family {
  readonly name: string;
  /** Values of `model_type` in config.json. */
  readonly modelTypes: readonly string[];
  /** The description from an untrusted configuration; keys that it does not read stop the load. */
  build(config: ConfigReader, checkpoint: Checkpoint): Decoder;
  /** Presents stored tensors under the names and shapes that `build` asks for, where a release packs them otherwise. */
  readonly adapt?: (checkpoint: Checkpoint) => Checkpoint;
}
