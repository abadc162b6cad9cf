import type { Checkpoint } from '../load/checkpoint.ts';
import type { ConfigReader } from '../load/config.ts';
import type { Decoder } from './decoder.ts';
import type { Stack, Stacks } from './stack.ts';

/** What takes the mass that other models leave on a sink, and where a checkpoint has it. */
export interface SinkPortrait {
  /**
   * `learned logit`: a number beside the scores of each row, with no key and no value. `learned scale`: the same after attention, as a factor.
   * `gated output`: a gate closes heads that have nothing to say. `registers`: positions that read nothing of the input. `unnormalised rows`:
   * weights need not sum to one.
   */
  readonly kind: 'learned logit' | 'learned scale' | 'gated output' | 'registers' | 'unnormalised rows';
  /** Stored tensor with its shape: `self_attn.sinks [H]`. */
  readonly stored: string;
  /** In which layers, and what it does there, one sentence. */
  readonly about: string;
}

/** What a family reads. */
export type FamilyInput = 'text' | 'text pairs' | 'pictures' | 'sound' | 'text with pictures';

/** One family of checkpoints: one file, one descriptor. The registry is generated from the files. */
export interface Family {
  readonly name: string;
  /** Values of `model_type` in config.json. */
  readonly modelTypes: readonly string[];
  /** What it is called, with what else is stored like it. */
  readonly title: string;
  /** arXiv id, DOI or address of the work that describes it; absent where none does. */
  readonly source?: string;
  /** What sets it apart, one sentence. */
  readonly about: string;
  /** Default: text. */
  readonly reads?: readonly FamilyInput[];
  /** `general.architecture` of the GGUF files that hold it. Default: none that is read. */
  readonly gguf?: readonly string[];
  /** Default: none; rows of attention have to sum to one. */
  readonly sinks?: SinkPortrait;
  /** What releases of it have that is refused or missing here, a sentence each. Default: nothing. */
  readonly limits?: readonly string[];
  /** The description from an untrusted configuration; keys that it does not read stop the load. */
  build(config: ConfigReader, checkpoint: Checkpoint): Stack | Stacks;
  /** Presents stored tensors under the names and shapes that `build` asks for, where a release packs them otherwise. */
  readonly adapt?: (checkpoint: Checkpoint) => Checkpoint;
}

/** A family of causal decoders. */
export interface DecoderFamily extends Family {
  build(config: ConfigReader, checkpoint: Checkpoint): Decoder;
}
