import { firstToken } from '../first-token.ts';
import type { ScanResult } from '../measure/result.ts';

/** Words of the views that depend on what was scanned. */
export const isCausal = ({ model }: Pick<ScanResult, 'model'>): boolean => model.causal !== false;

/** Whether some layers have no attention pattern. */
export const hasGaps = ({ received }: Pick<ScanResult, 'received'>): boolean => received.includes(null);

/** What is left out of attention received. */
export const withoutRow0 = (result: Pick<ScanResult, 'model'>): string =>
  isCausal(result) ? ' without its own row' : '';

/** Over which queries attention received is a mean. */
export const fromQueries = (result: Pick<ScanResult, 'model'>): string =>
  isCausal(result) ? 'received from the queries that see the token, without its own row' : 'received from all queries';

/** Key 0, and what it is unless it is a token of a text. */
export function keyZero(result: Pick<ScanResult, 'input'>): string {
  const first = firstToken(result);
  return first === 'the first token' ? 'key 0' : `key 0 (${first})`;
}

export const noPattern = 'no attention pattern in this layer';
