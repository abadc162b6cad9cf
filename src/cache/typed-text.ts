import { InputError } from '../error.ts';

/** What the tokens of a text are, and in which round of the stream each came. */
export interface TokenKinds {
  /** `text`, `vision`, or any other kind that has a budget. */
  kindOf(token: number): string;
  /** Rounds count upwards; a round is one turn or second of the stream. */
  roundOf(token: number): number;
}

/**
 * Written by whoever feeds a stream, before the tokens are read: `text.round(); text.append('vision', 24)`. Tokens past the end of what was
 * written, such as those that are generated, are `text` of the last round. Memory grows by one record for each stretch of one kind. It is no
 * part of a saved stream: whoever restores one writes it again.
 */
export class TypedText implements TokenKinds {
  private readonly stretches: { readonly start: number; readonly kind: string; readonly round: number }[] = [];
  private length = 0;
  private current = 0;

  /** A new round begins with the next token. */
  round(): this {
    this.current++;
    return this;
  }

  /** The next `count` tokens are of this kind. Throws an InputError unless `count` is a whole number from 0. */
  append(kind: string, count: number): this {
    if (!Number.isSafeInteger(count) || count < 0)
      throw new InputError(`typed text: expected count to be a whole number from 0, got ${count}`);
    const last = this.stretches.at(-1);
    if (count > 0 && (last?.kind !== kind || last.round !== this.current))
      this.stretches.push({ start: this.length, kind, round: this.current });
    this.length += count;
    return this;
  }

  /** Forgets everything, for a stream that is reset. */
  clear(): void {
    this.stretches.length = 0;
    this.length = 0;
    this.current = 0;
  }

  kindOf(token: number): string {
    return token < this.length ? this.at(token).kind : 'text';
  }

  roundOf(token: number): number {
    return token < this.length ? this.at(token).round : this.current;
  }

  private at(token: number) {
    let [from, to] = [0, this.stretches.length];
    while (to - from > 1) {
      const middle = (from + to) >> 1;
      if (this.stretches[middle]!.start <= token) from = middle;
      else to = middle;
    }
    return this.stretches[from]!;
  }
}

/** Rounds of one shape without end: so many tokens of each kind, in this order. */
export function periodicKinds(round: readonly (readonly [kind: string, count: number])[]): TokenKinds {
  const kinds = round.flatMap(([kind, count]) => new Array<string>(count).fill(kind));
  if (kinds.length === 0) throw new InputError('periodic kinds: a round has no tokens');
  return {
    kindOf: (token) => kinds[token % kinds.length]!,
    roundOf: (token) => Math.floor(token / kinds.length),
  };
}
