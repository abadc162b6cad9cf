import type { Places } from '../attention/places.ts';
import type { Stream } from '../attention/steps.ts';
import type { Tensor, Within } from '../tensor/index.ts';
import type { Block } from './block.ts';

/** Sizes of a stack by axis letter. */
export interface StackSizes {
  readonly L: number;
  readonly H: number;
  readonly G: number;
  readonly D: number;
  readonly M: number;
  /** Residual streams of width M side by side: the residual is [B, T, streams · M] (hyper-connections, 2409.19606). Default 1. */
  readonly streams?: number;
  /** Longest text, or number of patches or frames, that the positions were trained for. */
  readonly maxPositions: number;
  /** Of stacks that read tokens. */
  readonly V?: number;
}

/** Width of the residual between blocks. */
export const residualWidth = ({ M, streams = 1 }: Pick<StackSizes, 'M' | 'streams'>) => streams * M;

/** A value made from the stream after the final norm, beside its logits: what a reference calls `pooler_output`, `image_embeds`. */
export interface StackOutput {
  readonly value: Tensor<string>;
  readonly order: readonly string[];
}

/** What every stack has: blocks over a residual stream, and a norm behind them. */
interface BlocksAndNorm {
  readonly family: string;
  /** Which stack of a checkpoint that has several: `encoder`, `decoder`, `text`, `vision`. Absent where there is one. */
  readonly part?: string;
  readonly sizes: StackSizes;
  /** False where queries see the keys after them as well. Default true. */
  readonly causal?: boolean;
  readonly blocks: readonly Block[];
  /** Final norm; the identity in stacks that end with a block. */
  norm(x: Stream): Stream;
  /** Where references take their last hidden state from. Default: behind the final norm. */
  readonly lastHiddenState?: 'ln_final.hook_in';
  /** Values by the name that references have for them. */
  readonly outputs?: Readonly<Record<string, (x: Stream, places: Places) => StackOutput>>;
  /** Stored tensors that carry no parameters of the forward pass (tables that other software writes beside them). */
  readonly ignoredTensors?: RegExp;
  /** Tensors that a file may hold as a second copy of another, because they are tied. */
  readonly tiedTensors?: readonly string[];
  /** Stored value of a norm's weight before training: 0 where the family adds one to it. Default 1. */
  readonly freshNorm?: number;
  /** Values before training of tensors that ask for something of their own (a mechanism's); undefined leaves them to the rule for all. */
  readonly fresh?: (
    name: string,
    shape: readonly number[],
    random: () => number,
  ) => Float32Array<ArrayBuffer> | undefined;
}

/** A stack that reads tokens. */
export interface TokenStack extends BlocksAndNorm {
  readonly reads?: 'tokens';
  readonly sizes: StackSizes & { readonly V: number };
  /** `types`: which of a pair of texts each token is of (token type ids); absent: all of the first. */
  embed(ids: Tensor<'B' | 'T'>, positions: Within<'B' | 'T'>, types?: Tensor<'B' | 'T'>): Stream;
  /** Positions that `embed` can tell apart: the length of a learned table, Infinity for sinusoids; absent where it looks at none. */
  readonly embeddedPositions?: number;
  /** Number of token types; absent where it knows none. */
  readonly types?: number;
  /** Logits over the vocabulary, or over classes of tokens where the release has such a head. */
  unembed?(x: Stream): Tensor<'B' | 'T' | 'V'>;
  /** Width of the memory that its blocks look at (cross-attention); absent where there is none. */
  readonly memory?: { readonly M: number };
  /** Id of the tokens in whose place the patches of a picture stand; absent where there are none. */
  readonly imageToken?: number;
}

/** A stack that reads pictures: class token and registers first, then the patches row by row. */
export interface PixelStack extends BlocksAndNorm {
  readonly reads: 'pixels';
  readonly pixels: {
    /** Colours. */
    readonly C: number;
    /** Side of a patch, in pixels. */
    readonly patch: number;
    /** Sides of the pictures that it was made for, in pixels. */
    readonly height: number;
    readonly width: number;
    /** Are other sizes read? */
    readonly anySize: boolean;
  };
  /** What stands before the patches, by role. */
  readonly leading: readonly ('class' | 'distillation' | 'register')[];
  embed(pixels: Tensor<'B' | 'C' | 'Y' | 'X'>): Stream;
}

/** A stack that reads a spectrogram. */
export interface FeatureStack extends BlocksAndNorm {
  readonly reads: 'features';
  /** Mel bins, and frames of the input; how many of them are one position of the stream; seconds of a frame. */
  readonly features: { readonly C: number; readonly frames: number; readonly stride: number; readonly seconds: number };
  embed(features: Tensor<'B' | 'C' | 'N'>): Stream;
}

/** Blocks over a residual stream between an embedding and a norm: functions over symbolic tensors that ask for weights by their Hugging Face names. */
export type Stack = TokenStack | PixelStack | FeatureStack;

export const readsTokens = (stack: Stack): stack is TokenStack => (stack.reads ?? 'tokens') === 'tokens';

/** The stacks of one checkpoint. The main one is meant where none is named; it may read what the others make. */
export interface Stacks {
  readonly main: string;
  readonly parts: Readonly<Record<string, Stack>>;
}
