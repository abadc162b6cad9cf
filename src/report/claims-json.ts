import { LoadError } from '../error.ts';
import { type ClaimsReport, claimsSchema } from './claims.schema.ts';
import { escapeText } from './escape.ts';
import { write } from './json.ts';

/** Writes judgements as JSON: numbers to 6 significant digits. @throws LoadError when they do not fit their schema. */
export function writeClaimsJson(report: ClaimsReport): string {
  const { data, error } = claimsSchema.safeParse(report);
  if (error !== undefined) {
    const { path, message } = error.issues[0]!;
    throw new LoadError(escapeText(`claims: ${path.join('.') || 'the report'}: ${message}`));
  }
  return `${write(data, '')}\n`;
}
