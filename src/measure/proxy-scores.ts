import { InputError } from '../error.ts';
import { checkVisibility, keysSeenBy, type Visibility } from './visibility.ts';

/**
 * Proxy scores for attention whose rows do not sum to one (2410.10781): Ã_ij = |sim_ij| / Σ_j' |sim_ij'| over the keys that query i
 * sees, 0 elsewhere and in rows without any mass. The sink rate takes them in place of A.
 *
 * @param similarity [T, S] row-major; entries a query cannot see are not read.
 * @throws InputError when the length is not T · S or a visible entry is not finite.
 */
export function proxyScores(similarity: ArrayLike<number>, visibility: Visibility): Float32Array<ArrayBuffer> {
  const { T, S } = checkVisibility(visibility);
  if (similarity.length !== T * S) {
    throw new InputError(`proxyScores: similarity must hold T × S = ${T * S} values, got ${similarity.length}`);
  }
  const scores = new Float32Array(T * S);
  for (let i = 0; i < T; i++) {
    const { from, to } = keysSeenBy(visibility, i);
    let mass = 0;
    for (let j = from; j < to; j++) {
      const value = similarity[i * S + j]!;
      if (!Number.isFinite(value))
        throw new InputError(`proxyScores: similarity of query ${i} to key ${j} is ${value}`);
      mass += Math.abs(value);
    }
    if (mass === 0) continue;
    for (let j = from; j < to; j++) scores[i * S + j] = Math.abs(similarity[i * S + j]!) / mass;
  }
  return scores;
}
