import { LoadError } from '../error.ts';
import { quote, show } from './strict-json.ts';

/** With `default` an absent key gives that value (`undefined` for "no value"); without it the key is required. */
export interface Optional<D> {
  readonly default?: D;
}

export interface NumberRange {
  /** Smallest value allowed; default 0. */
  readonly min?: number;
  /** Largest value allowed; default 2^31 - 1 for integers, 1e12 for numbers. */
  readonly max?: number;
}

type Scalar = string | number | boolean;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Reads an untrusted `config.json` (or GGUF metadata) key by key and remembers which keys were read, so that `done` can refuse
 * those nobody understood. A key whose value is null counts as absent. Every error is a LoadError with the source, the key,
 * what was expected and what came.
 */
export class ConfigReader {
  readonly #values = new Map<string, unknown>();
  readonly #nulls = new Set<string>();
  readonly #read = new Set<string>();
  readonly #children: ConfigReader[] = [];
  readonly #path: string;

  /** `place` is the file or source for messages; `path` the keys above, `rope_scaling.`. */
  constructor(
    config: Readonly<Record<string, unknown>>,
    readonly place: string,
    path = '',
  ) {
    for (const [key, value] of Object.entries(config))
      if (value === null) this.#nulls.add(key);
      else if (value !== undefined) this.#values.set(key, value);
    this.#path = path;
  }

  /** True when the key is present and not null. Does not count as reading it. */
  has(key: string): boolean {
    return this.#values.has(key);
  }

  /** True when the key is present with null: how a file switches off what is on by default. Does not count as reading it. */
  isNull(key: string): boolean {
    return this.#nulls.has(key);
  }

  /** True when the key holds an array. Does not count as reading it. */
  hasList(key: string): boolean {
    return Array.isArray(this.#values.get(key));
  }

  /** The error a family throws when a value is well formed but cannot be served: `config.json: "x" expected ..., got ...`. */
  error(key: string, expected: string): LoadError {
    const got = this.#values.has(key) ? show(this.#values.get(key)) : 'nothing';
    return new LoadError(`${this.place}: ${quote(this.#path + key)} expected ${expected}, got ${got}`);
  }

  #take<T, D>(key: string, options: Optional<D>, expected: string, accepts: (value: unknown) => value is T): T | D {
    this.#read.add(key);
    const value = this.#values.get(key);
    if (value === undefined && 'default' in options) return options.default as D;
    if (!accepts(value)) throw this.error(key, expected);
    return value;
  }

  /** A whole number between `min` and `max`. */
  int<D = never>(key: string, options: NumberRange & Optional<D> = {}): number | D {
    const { min = 0, max = 2 ** 31 - 1 } = options;
    return this.#take(key, options, `a whole number from ${min} to ${max}`, (value): value is number => {
      return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;
    });
  }

  /** A finite number between `min` and `max`. */
  number<D = never>(key: string, options: NumberRange & Optional<D> = {}): number | D {
    const { min = 0, max = 1e12 } = options;
    return this.#take(key, options, `a number from ${min} to ${max}`, (value): value is number => {
      return typeof value === 'number' && value >= min && value <= max;
    });
  }

  bool<D = never>(key: string, options: Optional<D> = {}): boolean | D {
    return this.#take(key, options, 'true or false', (value): value is boolean => typeof value === 'boolean');
  }

  string<D = never>(key: string, options: Optional<D> = {}): string | D {
    return this.#take(key, options, 'a string', (value): value is string => typeof value === 'string');
  }

  /** One of a few values: the way to refuse an option that is known but not served. */
  oneOf<const T extends Scalar, const D = never>(key: string, choices: readonly T[], options: Optional<D> = {}): T | D {
    const expected = choices.length === 1 ? show(choices[0]) : `one of ${choices.map(show).join(', ')}`;
    return this.#take(key, options, expected, (value): value is T => (choices as readonly unknown[]).includes(value));
  }

  /** An array whose every element is one of `choices`, of `length` elements when that is given. */
  list<const T extends Scalar, D = never>(
    key: string,
    choices: readonly T[],
    options: Optional<D> & { readonly length?: number } = {},
  ): T[] | D {
    const size = options.length === undefined ? 'a list' : `a list of ${options.length}`;
    return this.#take(key, options, `${size} of ${choices.map(show).join(', ')}`, (value): value is T[] => {
      if (!Array.isArray(value) || (options.length !== undefined && value.length !== options.length)) return false;
      return value.every((item) => (choices as readonly unknown[]).includes(item));
    });
  }

  /** An array of whole numbers. */
  ints<D = never>(key: string, options: NumberRange & Optional<D> & { readonly length?: number } = {}): number[] | D {
    const { min = 0, max = 2 ** 31 - 1, length } = options;
    const size = length === undefined ? 'a list' : `a list of ${length}`;
    return this.#take(key, options, `${size} of whole numbers from ${min} to ${max}`, (value): value is number[] => {
      if (!Array.isArray(value) || (length !== undefined && value.length !== length)) return false;
      return value.every((item) => Number.isInteger(item) && item >= min && item <= max);
    });
  }

  /** A value of a form of its own: `accepts` tells whether it has it, `expected` says it in messages. */
  value<T, D = never>(
    key: string,
    expected: string,
    accepts: (value: unknown) => value is T,
    options: Optional<D> = {},
  ): T | D {
    return this.#take(key, options, expected, accepts);
  }

  /** A nested object as a reader of its own; `done` of this one covers it. Undefined when the key is absent. */
  object(key: string): ConfigReader | undefined {
    const value = this.#take(key, { default: undefined }, 'an object', isRecord);
    if (value === undefined) return undefined;
    const child = new ConfigReader(value, this.place, `${this.#path}${key}.`);
    this.#children.push(child);
    return child;
  }

  /** Counts keys as read that cannot change what the model computes. */
  ignore(keys: Iterable<string>): this {
    for (const key of keys) this.#read.add(key);
    return this;
  }

  /** Keys present that nobody read, nested ones with their path. */
  unread(): string[] {
    const own = [...this.#values.keys()].filter((key) => !this.#read.has(key)).map((key) => this.#path + key);
    return [...own, ...this.#children.flatMap((child) => child.unread())].sort();
  }

  /** Throws a LoadError that lists every key nobody read. */
  done(): void {
    const keys = this.unread();
    if (keys.length === 0) return;
    const shown = keys.slice(0, 20).map(quote).join(', ') + (keys.length > 20 ? ` and ${keys.length - 20} more` : '');
    throw new LoadError(
      `${this.place}: ${keys.length === 1 ? 'this key is' : 'these keys are'} not understood and may change results: ${shown}`,
    );
  }
}
