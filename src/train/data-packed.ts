import { InputError } from '../error.ts';
import type { CorpusHeader } from './data-header.ts';
import { drawnShift, shuffledOrder } from './data-order.ts';

/** Tokens in one line: a file, or an array in the page. */
export interface TokenSource {
  read(start: number, count: number): Promise<ArrayLike<number>>;
  close?(): Promise<void>;
}

export interface PackedOptions {
  /** T, tokens the model sees at once; at least 1. */
  readonly sequenceLength: number;
  /** What every sequence begins with: the corpus' BOS (`bos`, default), or whatever token stands there (`free`). */
  readonly firstToken?: 'bos' | 'free';
  /** Order of the sequences; default true. Without it they come as they stand, for validation. */
  readonly shuffle?: boolean;
  /** Cuts the corpus elsewhere in every epoch, so that words meet other contexts; default as `shuffle`. */
  readonly shift?: boolean;
  /** An integer from 0 to 2³² − 1; default 0. */
  readonly seed?: number;
}

/** Where reading goes on; plain data for a checkpoint. */
export interface DataPosition {
  readonly epoch: number;
  /** Sequences of this epoch that were read. */
  readonly index: number;
  /** Names corpus, length, first token, order and seed: a position is of no use to other data. */
  readonly data: string;
}

/**
 * A corpus as sequences of T + 1 tokens: the first T are the input, the last T the tokens to predict.
 *
 * With `firstToken: 'bos'`, sequence i is BOS and tokens i·T … i·T + T − 1 of the corpus: each token is predicted once per epoch, and BOS stands at the
 * start of every input. With `free`, the first token is the one before. Sequences cross the ends of documents, where EOS stands. What is left
 * over at the end (less than T tokens, up to 2T with a shift) is not read in that epoch.
 */
export class PackedDataset {
  readonly header: CorpusHeader;
  readonly sequenceLength: number;
  /** Sequences of an epoch. */
  readonly sequences: number;
  readonly #source: TokenSource;
  readonly #options: Required<PackedOptions>;
  #epoch = 0;
  #index = 0;

  /** @throws InputError for an option outside its range, a corpus without BOS, or one too short for a sequence. */
  constructor(source: TokenSource, header: CorpusHeader, options: PackedOptions) {
    const { sequenceLength: T, firstToken = 'bos', shuffle = true, shift = shuffle, seed = 0 } = options;
    if (!Number.isInteger(T) || T < 1)
      throw new InputError(`packed data, sequenceLength: expected an integer of at least 1, got ${T}`);
    if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32)
      throw new InputError(`packed data, seed: expected an integer from 0 to 4294967295, got ${seed}`);
    if (firstToken !== 'bos' && firstToken !== 'free')
      throw new InputError(`packed data, firstToken: expected bos or free, got ${JSON.stringify(firstToken)}`);
    if (firstToken === 'bos' && header.bosId === undefined)
      throw new InputError('packed data, firstToken: the tokenizer of this corpus names no BOS; use free');
    const usable = header.tokens - (firstToken === 'free' ? 1 : 0) - (shift ? T - 1 : 0);
    this.sequences = Math.max(0, Math.floor(usable / T));
    if (this.sequences === 0) {
      throw new InputError(
        `packed data, sequenceLength: ${header.tokens} tokens are too few for one sequence of ${T}${shift ? ' and a shift' : ''}; use a shorter one`,
      );
    }
    this.#source = source;
    this.header = header;
    this.sequenceLength = T;
    this.#options = { sequenceLength: T, firstToken, shuffle, shift, seed };
  }

  /** Sequence at a place of an epoch's order, [T + 1]. */
  async sequence(epoch: number, index: number): Promise<Int32Array> {
    if (!Number.isInteger(epoch) || epoch < 0)
      throw new InputError(`packed data, epoch: expected an integer of at least 0, got ${epoch}`);
    if (!Number.isInteger(index) || index < 0 || index >= this.sequences)
      throw new InputError(`packed data, index: expected an integer from 0 to ${this.sequences - 1}, got ${index}`);
    const { firstToken, shuffle, shift, seed } = this.#options;
    const T = this.sequenceLength;
    const number = shuffle ? shuffledOrder(this.sequences, seed, epoch)(index) : index;
    const start = number * T + (shift ? drawnShift(T, seed, epoch) : 0);
    const row = new Int32Array(T + 1);
    if (firstToken === 'free') row.set(await this.#source.read(start, T + 1));
    else {
      row[0] = this.header.bosId!;
      row.set(await this.#source.read(start, T), 1);
    }
    const { vocabularySize } = this.header.tokenizer;
    const strange = row.find((id) => id >= vocabularySize);
    if (strange !== undefined)
      throw new InputError(
        `packed data: token ${strange} is outside the vocabulary of ${vocabularySize}; encode the corpus again`,
      );
    return row;
  }

  /** The next B sequences, [B, T + 1] row by row; goes on into the next epoch where one ends. */
  async next(B: number): Promise<Int32Array> {
    if (!Number.isInteger(B) || B < 1)
      throw new InputError(`packed data, batch: expected an integer of at least 1, got ${B}`);
    const width = this.sequenceLength + 1;
    const batch = new Int32Array(B * width);
    let [epoch, index] = [this.#epoch, this.#index];
    for (let b = 0; b < B; b++) {
      batch.set(await this.sequence(epoch, index), b * width);
      index += 1;
      if (index === this.sequences) [epoch, index] = [epoch + 1, 0];
    }
    // Only now: a failed read leaves the position where it was.
    [this.#epoch, this.#index] = [epoch, index];
    return batch;
  }

  get position(): DataPosition {
    return { epoch: this.#epoch, index: this.#index, data: this.#name() };
  }

  /**
   * Goes on where `position` was taken: the next batch is the one that came next then.
   * @throws InputError when it was taken on other data or with other options.
   */
  seek({ epoch, index, data }: DataPosition): void {
    if (data !== this.#name()) {
      throw new InputError(
        `packed data, position: taken on other data or options (${data}), this is ${this.#name()}; go on with the same`,
      );
    }
    const sound = Number.isInteger(epoch) && epoch >= 0 && Number.isInteger(index) && index >= 0;
    if (!sound || index >= this.sequences)
      throw new InputError(
        `packed data, position: epoch ${epoch}, index ${index} is outside ${this.sequences} sequences`,
      );
    [this.#epoch, this.#index] = [epoch, index];
  }

  async close(): Promise<void> {
    await this.#source.close?.();
  }

  #name(): string {
    const { firstToken, shuffle, shift, seed } = this.#options;
    const order = `${shuffle ? 'shuffled' : 'in order'}${shift ? ', shifted' : ''}`;
    return `tokens ${this.header.sha256.slice(0, 16)}, length ${this.sequenceLength}, first ${firstToken}, ${order}, seed ${seed}`;
  }
}
