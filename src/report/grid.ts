import type { ScanResult } from '../measure/result.ts';

/** Rows and columns of the patches among the tokens of the page; null where there are none. */
export function gridOf({ input }: Pick<ScanResult, 'input'>): { rows: number; columns: number } | null {
  let rows = 0;
  let columns = 0;
  for (const { patch } of input.page) {
    if (!patch) continue;
    rows = Math.max(rows, patch.row + 1);
    columns = Math.max(columns, patch.column + 1);
  }
  return rows === 0 ? null : { rows, columns };
}
