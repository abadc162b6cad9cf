import { LoadError } from '../error.ts';
import { type EmergenceReport, emergenceSchema } from './emergence.schema.ts';
import { escapeText } from './escape.ts';
import { write } from './json.ts';

/** Writes the report as JSON: numbers to 6 significant digits. @throws LoadError when it does not fit its schema. */
export function writeEmergenceJson(report: EmergenceReport): string {
  const { data, error } = emergenceSchema.safeParse(report);
  if (error !== undefined) {
    const { path, message } = error.issues[0]!;
    throw new LoadError(escapeText(`emergence: ${path.join('.') || 'the report'}: ${message}`));
  }
  return `${write(data, '')}\n`;
}
