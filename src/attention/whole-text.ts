import { InputError } from '../error.ts';
import { size } from '../tensor/index.ts';
import type { Places } from './places.ts';

/** Are the queries all tokens of the text, from the first, as the keys are? Decided while tracing: false also where it only cannot be seen. */
export function isWholeText({ queries, keys }: Places): boolean {
  const fromZero = [queries, keys].every(({ node }) => node.operator.name === 'iota');
  return fromZero && size(queries, 'T').equals(size(keys, 'S'));
}

/** Throws an InputError unless the queries are the whole text: what looks back along the queries would see zeros before a part of it. */
export function expectWholeText(who: string, places: Places): void {
  if (!isWholeText(places))
    throw new InputError(
      `${who}: queries look at the tokens before them, so expected the whole text at once, got a part of its queries; run it without query chunks, or one token at a time through its decoding`,
    );
}
