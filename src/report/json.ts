import type { ScanResult } from '../measure/result.ts';
import { checkScanResult } from './parse.ts';

/**
 * Writes a result as JSON: fields in the order of the schema, integers in full, other numbers to 6 significant digits, a list of
 * numbers on one line. The same result gives the same bytes.
 *
 * @throws LoadError when the result does not fit its schema (a NaN, a missing row), so that no wrong file is written
 */
export function writeJson(result: ScanResult): string {
  return `${write(checkScanResult(result), '')}\n`;
}

export function write(value: unknown, indent: string): string {
  if (typeof value === 'number') return String(rounded(value));
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const inner = `${indent} `;
  if (Array.isArray(value)) {
    if (value.every((entry) => typeof entry !== 'object' || entry === null))
      return `[${value.map((entry) => write(entry, '')).join(',')}]`;
    return `[\n${value.map((entry) => inner + write(entry, inner)).join(',\n')}\n${indent}]`;
  }
  const fields = Object.entries(value).filter(([, entry]) => entry !== undefined);
  if (fields.every(([, entry]) => typeof entry !== 'object' || entry === null))
    return `{${fields.map(([key, entry]) => `${JSON.stringify(key)}:${write(entry, '')}`).join(',')}}`;
  return `{\n${fields.map(([key, entry]) => `${inner}${JSON.stringify(key)}: ${write(entry, inner)}`).join(',\n')}\n${indent}}`;
}

/** To 6 significant digits (integers as they are); −0 becomes 0. */
export function rounded(value: number, digits = 6): number {
  const result = Number.isInteger(value) ? value : Number(value.toPrecision(digits));
  return result === 0 ? 0 : result;
}
