import { InputError } from '../error.ts';
import type { Decoder } from '../models/decoder.ts';
import type { HostTensor } from '../runtime/backend.ts';
import type { CacheLayout } from './layout.ts';
import type { CachePolicy } from './policy.ts';

/** Throws an InputError that names the policy where its layout does not fit the model or leaves no room. */
export function checkLayout(policy: string, { layers, tables }: CacheLayout, { sizes }: Decoder): void {
  const { L, G } = sizes;
  const wrong = (what: string) => new InputError(`the cache of ${policy}: ${what}`);
  if (layers.length !== L) throw wrong(`expected banks for ${L} layers, got ${layers.length}`);
  tables.forEach(({ pinned, entries }, t) => {
    if (!Number.isSafeInteger(entries) || entries < 1)
      throw wrong(`table ${t}: expected room for at least one entry, got ${entries}`);
    if (!Number.isSafeInteger(pinned) || pinned < 0)
      throw wrong(`table ${t}: expected the number of pinned entries to be a whole number from 0, got ${pinned}`);
  });
  layers.forEach((banks, layer) => {
    const heads = banks.flatMap((bank) => bank.heads ?? Array.from({ length: G }, (_, g) => g));
    if (heads.length !== G || new Set(heads).size !== G || heads.some((head) => !(head >= 0 && head < G)))
      throw wrong(`layer ${layer}: expected each of ${G} key/value heads in one bank, got ${heads.join(', ')}`);
    for (const bank of banks) {
      const table = tables[bank.table];
      if (!table) throw wrong(`layer ${layer}: there is no table ${bank.table}`);
      const own = bank.heads?.length ?? G;
      if (table.heads !== undefined && table.heads !== own)
        throw wrong(`layer ${layer}: table ${bank.table} is for ${table.heads} heads, its bank has ${own}`);
    }
  });
}

/**
 * Throws an InputError where positions cannot be counted in the cache: a model that adds them to its embeddings has one for all heads and
 * layers, and heads whose entries are pinned need as many of them as their neighbours.
 */
export function checkPositions({ name, positions }: CachePolicy, { tables }: CacheLayout, decoder: Decoder): void {
  if (positions !== 'cache-relative') return;
  const own = tables.some(({ heads }) => heads !== undefined);
  if (decoder.embeddedPositions !== undefined && (own || tables.length > 1))
    throw new InputError(
      `${name}: ${decoder.family} adds positions to its embeddings, one for all layers and heads; where these keep different tokens, positions cannot be cache-relative; take absolute`,
    );
  if (tables.some(({ heads, pinned }) => heads !== undefined && pinned > 0))
    throw new InputError(
      `${name}: heads that keep tokens of their own beside pinned ones cannot have cache-relative positions; take absolute`,
    );
}

/** Throws an InputError where a text has gone past the positions that a model has learned. */
export function checkEmbedded(
  { name, positions }: CachePolicy,
  { family, embeddedPositions = Number.POSITIVE_INFINITY }: Decoder,
  { data }: HostTensor,
): void {
  if (embeddedPositions === Number.POSITIVE_INFINITY) return;
  for (const position of data as BigInt64Array)
    if (position >= embeddedPositions)
      throw new InputError(
        `${name}: ${family} has learned ${embeddedPositions} positions, and the next token is at ${position}${positions === 'absolute' ? '; under cache-relative positions a text may be longer' : '; give the cache a smaller capacity'}`,
      );
}

/** Throws an InputError where what a policy keeps is no set of ranks, or is nothing. */
export function checkKept(policy: string, kept: readonly number[], all: number, pinned: number, next: number): void {
  if (kept.length === 0 && pinned === 0 && all > 0)
    throw new InputError(`${policy} keeps nothing after ${next} tokens; expected at least one entry to stay`);
  const seen = new Uint8Array(all);
  for (const rank of kept) {
    if (!Number.isInteger(rank) || rank < 0 || rank >= all || seen[rank])
      throw new InputError(
        `${policy}: after ${next} tokens, expected ranks from 0 to ${all - 1} to stay, each once, got ${rank}`,
      );
    seen[rank] = 1;
  }
}
