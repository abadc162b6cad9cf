import { LoadError } from '../error.ts';

/** No file we read nests deeper than a handful of levels; what walks a value may recurse. */
const deepest = 64;

/** Refuses what `JSON.parse` lets pass in a valid text: a key twice in one object (the last would win), and endless nesting. */
function checkText(text: string, place: string): void {
  const objects: (Set<string> | undefined)[] = [];
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '{' || character === '[') {
      if (objects.push(character === '{' ? new Set() : undefined) > deepest) {
        throw new LoadError(`${place}: nested deeper than ${deepest} levels`);
      }
    } else if (character === '}' || character === ']') {
      objects.pop();
    } else if (character === '"') {
      const start = i++;
      while (text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
      let next = i + 1;
      while (text.charCodeAt(next) <= 32) next++;
      if (text[next] !== ':') continue;
      const key: string = JSON.parse(text.slice(start, i + 1));
      const keys = objects.at(-1)!;
      if (keys.has(key)) throw new LoadError(`${place}: key ${quote(key)} occurs twice`);
      keys.add(key);
    }
  }
}

/**
 * Parses the JSON object of an untrusted file: valid UTF-8, valid JSON, an object at the top, no key twice in any object, at most
 * 64 levels. Walk the result with `Object.entries`: a key such as `__proto__` is then an ordinary entry.
 */
export function parseJsonObject(bytes: Uint8Array, place: string): Record<string, unknown> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new LoadError(`${place}: not valid UTF-8`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new LoadError(`${place}: not valid JSON (${quote((error as Error).message).slice(1, -1)})`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new LoadError(`${place}: expected a JSON object`);
  }
  checkText(text, place);
  return value as Record<string, unknown>;
}

/** Escapes what JSON leaves as it is and a terminal may obey: C1 controls, direction marks. */
function escapeHidden(text: string): string {
  return text.replace(/[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** A string of an untrusted file for a message: quoted, shortened, control characters escaped. */
export function quote(text: string): string {
  return escapeHidden(JSON.stringify(text.length > 120 ? `${text.slice(0, 117)}...` : text));
}

/** An untrusted value for a message. */
export function show(value: unknown): string {
  if (typeof value === 'string') return quote(value);
  if (typeof value !== 'object' || value === null) return String(value);
  const head = Array.isArray(value) ? value.slice(0, 40) : value;
  const text = JSON.stringify(head, (_, inner) => (typeof inner === 'bigint' ? `${inner}` : inner));
  return escapeHidden(text.length > 120 ? `${text.slice(0, 117)}...` : text);
}
