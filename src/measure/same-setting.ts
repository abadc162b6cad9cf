import { InputError } from '../error.ts';
import type { Setting } from './measurement.ts';

/** Throws an InputError unless figures of the two settings may be merged, naming both lengths where they differ. */
export function checkSameSetting(mine: Setting, theirs: Setting): void {
  if (mine.tokens !== theirs.tokens)
    throw new InputError(
      `measurement: texts of ${mine.tokens} and ${theirs.tokens} tokens cannot be merged; measure them apart`,
    );
  const shape = ({ sizes: { L, H, G, D, M }, keys, windows, causal = true, hasPattern }: Setting) =>
    JSON.stringify({ L, H, G, D, M, windows, ...(causal ? {} : { causal }), keys, hasPattern });
  if (shape(mine) !== shape(theirs))
    throw new InputError(`measurement: ${shape(mine)} and ${shape(theirs)} cannot be merged; they are other models`);
}
