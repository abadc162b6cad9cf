import { InputError } from '../error.ts';

/** Throws an InputError that names the policy and the size unless each is a whole number from `least`. */
export function checkSizes(policy: string, least: number, sizes: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(sizes))
    if (!Number.isSafeInteger(value) || value < least)
      throw new InputError(`${policy}: expected ${name} to be a whole number from ${least}, got ${value}`);
}

/** What is left of a capacity beside tokens that stay for ever. Throws an InputError where that is nothing. */
export function besideSinks(policy: string, capacity: number, sinks: number): number {
  checkSizes(policy, 1, { capacity });
  checkSizes(policy, 0, { sinks });
  if (capacity <= sinks)
    throw new InputError(
      `${policy}: ${capacity} ${capacity === 1 ? 'entry has' : 'entries have'} no room for recent tokens beside ${sinks} sinks; expected a capacity of at least ${sinks + 1}, or fewer sinks`,
    );
  return capacity - sinks;
}

/** Tokens that always stay, by their index in the text, as a set. Throws an InputError where there are more than have `room`. */
export function checkProtected(policy: string, tokens: readonly number[], room: number): ReadonlySet<number> {
  const wrong = tokens.find((token) => !Number.isSafeInteger(token) || token < 0);
  if (wrong !== undefined)
    throw new InputError(`${policy}: expected protected tokens to be indices in the text, got ${wrong}`);
  const all = new Set(tokens);
  if (all.size > room)
    throw new InputError(
      `${policy}: ${all.size} protected tokens, and there is room for ${room} of them; give it more`,
    );
  return all;
}
