import { LoadError } from '../error.ts';
import { escapeText } from './escape.ts';
import { write } from './json.ts';
import { type MechanismsReport, mechanismsSchema } from './mechanisms.schema.ts';

/** Writes the comparison as JSON: numbers to 6 significant digits. @throws LoadError when it does not fit its schema. */
export function writeMechanismsJson(report: MechanismsReport): string {
  const { data, error } = mechanismsSchema.safeParse(report);
  if (error !== undefined) {
    const { path, message } = error.issues[0]!;
    throw new LoadError(escapeText(`mechanisms: ${path.join('.') || 'the report'}: ${message}`));
  }
  return `${write(data, '')}\n`;
}
