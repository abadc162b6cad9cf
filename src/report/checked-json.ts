import type { z } from 'zod';
import { LoadError } from '../error.ts';
import { escapeText } from './escape.ts';
import { write } from './json.ts';

/** Writes a result as JSON, numbers to 6 significant digits. @throws LoadError when it does not fit its schema, so that no wrong file is written. */
export function writeChecked<T>(name: string, schema: z.ZodType<T>, value: T): string {
  const { data, error } = schema.safeParse(value);
  if (error === undefined) return `${write(data, '')}\n`;
  const { path, message } = error.issues[0]!;
  throw new LoadError(escapeText(`${name}: ${path.join('.') || 'the report'}: ${message}`));
}
