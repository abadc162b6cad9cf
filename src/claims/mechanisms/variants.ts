import type { Mechanism, MechanismFile, MechanismVariant } from '../../attention/mechanism.ts';
import { mechanismFiles } from '../../attention/registry.ts';
import { InputError } from '../../error.ts';

/** One line of the comparison. */
export interface Variant {
  readonly file: MechanismFile;
  readonly variant: MechanismVariant;
  readonly mechanism: Mechanism;
}

/** Every variant of every mechanism, or of those of some cards. Throws an InputError for a card that has none. */
export function variantsOf(cards: readonly string[] = []): Variant[] {
  const known = [...new Set(mechanismFiles.map(({ card }) => card))].sort();
  for (const card of cards)
    if (!known.includes(card))
      throw new InputError(`mechanisms: there is none of card ${JSON.stringify(card)}; there are ${known.join(', ')}`);
  return mechanismFiles
    .filter(({ card }) => cards.length === 0 || cards.includes(card))
    .flatMap((file) => file.variants.map((variant) => ({ file, variant, mechanism: variant.mechanism() })));
}

/** The mechanism of a name. Throws an InputError when there is none. */
export function mechanismNamed(name: string): Mechanism {
  const found = variantsOf().find(({ mechanism }) => mechanism.name === name);
  if (found) return found.mechanism;
  throw new InputError(`mechanisms: there is none named ${JSON.stringify(name)}`);
}
