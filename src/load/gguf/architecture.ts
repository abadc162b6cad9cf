import type { ConfigReader } from '../config.ts';
import type { Config, GgufFacts } from './metadata.ts';
import type { Targets } from './recipe.ts';

/** How files of one `general.architecture` are read. */
export interface Architecture {
  /** Every tensor it may have. */
  readonly targets: Targets;
  /** The configuration in Hugging Face spelling, without vocabulary and token ids. */
  config(c: ConfigReader, facts: GgufFacts): Config;
  /** Rotary pairs are neighbours in the file, half a head apart in the checkpoint. */
  readonly interleaved?: true;
}
