import { InputError, RunError } from '../error.ts';
import type { HeadMap, SinkRate } from './result.ts';
import {
  checkProtocol,
  checkSameLength,
  checkSameProtocol,
  type SinkRateJson,
  type SinkRateProtocol,
  type SinkRates,
  type SinkRateText,
  sinkRateJson,
} from './sink-rate-protocol.ts';
import { spreadOfShares } from './spread.ts';
import { uniformAttention } from './uniform.ts';
import { queriesThatSee, type Visibility } from './visibility.ts';

/**
 * Sink rate (Gu et al., 2410.10781): Sink_k^ε = 1/L Σ_l 1/H Σ_h 1[α_k > ε], strictly above, with α_k the mean of A_ik over the queries
 * that see key k, its own row included; then the mean over texts of one length. Beside it *received*, the same mean without row 0 in causal attention.
 *
 * Sums over texts; shards of one protocol add up with `merge`. The rates merge exactly, the maps to double precision.
 */
export class SinkRateSums {
  readonly protocol: Required<SinkRateProtocol>;
  texts = 0;
  readonly #alpha: Float64Array; // [L, H]
  readonly #later: Float64Array; // [L, H] attention of the queries of `received`, summed over them and the texts
  readonly #above: Record<Group, { sum: Float64Array; squares: Float64Array }>; // heads above each epsilon

  /** Throws an InputError for a protocol out of range. */
  constructor(protocol: SinkRateProtocol) {
    this.protocol = checkProtocol(protocol);
    const { windows, heads, epsilons } = this.protocol;
    this.#alpha = new Float64Array(windows.length * heads);
    this.#later = new Float64Array(windows.length * heads);
    const zeros = () => ({ sum: new Float64Array(epsilons.length), squares: new Float64Array(epsilons.length) });
    this.#above = { full: zeros(), window: zeros(), all: zeros() };
  }

  /** Adds one text. Throws an InputError for another length or shape, a RunError for sums that no attention can have. */
  add(text: SinkRateText): void {
    const { tokens, windows, heads, epsilons, key, causal, layers } = this.protocol;
    checkSameLength(tokens, text.tokens);
    const size = windows.length * heads;
    for (const name of ['columnSums', 'firstRow'] as const) {
      if (text[name].length !== size) {
        const shape = `L × H = ${windows.length} × ${heads} = ${size} values`;
        throw new InputError(`sink rate: ${name} must hold ${shape}, got ${text[name].length}`);
      }
    }
    const alpha = new Float64Array(size);
    const later = new Float64Array(size);
    for (let at = 0; at < size; at++) {
      const layer = Math.floor(at / heads);
      const all = queriesThatSee(this.#visibility(layer), key);
      const sum = text.columnSums[at]!;
      const firstRow = text.firstRow[at]!;
      const queries = all.to - all.from;
      if (!(sum >= 0 && firstRow >= 0 && sum <= queries * 1.001 && firstRow <= sum * 1.001 + 1e-6)) {
        throw new RunError(
          `sink rate: layer ${layers[layer]} head ${at % heads}: the attention of ${queries} queries to key ${key} sums to ${sum}, ` +
            `of which row 0 has ${firstRow}; expected 0 ≤ row 0 ≤ sum ≤ ${queries}. ` +
            'Where rows do not sum to one, give proxy scores',
        );
      }
      alpha[at] = sum / queries;
      later[at] = causal ? Math.max(0, sum - firstRow) : sum;
    }
    for (const group of groups) {
      epsilons.forEach((epsilon, e) => {
        let above = 0;
        for (let at = 0; at < size; at++) {
          if (this.#has(group, Math.floor(at / heads)) && alpha[at]! > epsilon) above++;
        }
        this.#above[group].sum[e]! += above;
        this.#above[group].squares[e]! += above * above;
      });
    }
    addTo(this.#alpha, alpha);
    addTo(this.#later, later);
    this.texts++;
  }

  /** Adds the sums of another shard. Throws an InputError when its protocol differs, naming both lengths where they do. */
  merge(other: SinkRateSums): void {
    checkSameProtocol(this.protocol, other.protocol);
    addTo(this.#alpha, other.#alpha);
    addTo(this.#later, other.#later);
    for (const group of groups) {
      addTo(this.#above[group].sum, other.#above[group].sum);
      addTo(this.#above[group].squares, other.#above[group].squares);
    }
    this.texts += other.texts;
  }

  /** Throws an InputError when no text was added. */
  finish(): SinkRates {
    if (this.texts === 0) throw new InputError('sink rate: no text was added');
    const { windows, heads, key } = this.protocol;
    const uniform = windows.map((_, layer) => uniformAttention(this.#visibility(layer)));
    const uniformAlpha = uniform.map(({ alpha }) => alpha[key]!);
    const toMap = (sums: Float64Array, queries: (layer: number) => number): HeadMap =>
      windows.map((_, l) =>
        Array.from(sums.subarray(l * heads, (l + 1) * heads), (sum) => sum / (this.texts * queries(l))),
      );
    const full = this.#rates('full', uniformAlpha);
    const window = this.#rates('window', uniformAlpha);
    const all = this.#rates('all', uniformAlpha)!;
    return {
      sinkRates: full ?? all,
      ...(window && { sinkRatesWindow: window }),
      sinkRatesAll: all,
      alpha: toMap(this.#alpha, () => 1),
      uniformAlpha,
      received: toMap(this.#later, (l) => uniform[l]!.receivedQueries[key]!),
      uniform: uniform.map(({ received }) => received[key]!),
    };
  }

  toJSON(): SinkRateJson {
    const { windows, epsilons, layers, ...rest } = this.protocol;
    const counts = (group: Group) => ({
      sum: Array.from(this.#above[group].sum),
      squares: Array.from(this.#above[group].squares),
    });
    return {
      protocol: { ...rest, windows: [...windows], epsilons: [...epsilons], layers: [...layers] },
      texts: this.texts,
      alpha: Array.from(this.#alpha),
      later: Array.from(this.#later),
      above: { full: counts('full'), window: counts('window'), all: counts('all') },
    };
  }

  /** Reads the JSON form; it is untrusted. Throws an InputError that names the first wrong field. */
  static fromJSON(json: unknown): SinkRateSums {
    const parsed = sinkRateJson.safeParse(json);
    if (!parsed.success) {
      const issue = parsed.error.issues[0]!;
      throw new InputError(`sink rate: ${issue.path.join('.') || 'JSON'}: ${issue.message}`);
    }
    const { protocol, texts, alpha, later, above } = parsed.data;
    const sums = new SinkRateSums(protocol);
    sums.texts = texts;
    fill('alpha', sums.#alpha, alpha);
    fill('later', sums.#later, later);
    for (const group of groups) {
      fill(`above.${group}.sum`, sums.#above[group].sum, above[group].sum);
      fill(`above.${group}.squares`, sums.#above[group].squares, above[group].squares);
    }
    return sums;
  }

  #rates(group: Group, uniformAlpha: number[]): SinkRate[] | undefined {
    const members = uniformAlpha.filter((_, layer) => this.#has(group, layer));
    if (members.length === 0) return undefined;
    return this.protocol.epsilons.map((epsilon, e) => ({
      epsilon,
      rate: spreadOfShares({
        sum: this.#above[group].sum[e]!,
        squares: this.#above[group].squares[e]!,
        n: this.texts,
        of: members.length * this.protocol.heads,
      }),
      uniform: members.filter((value) => value > epsilon).length / members.length,
    }));
  }

  #has(group: Group, layer: number): boolean {
    const window = this.protocol.windows[layer]!;
    const narrow = window !== null && window < this.protocol.tokens;
    return group === 'all' || (group === 'window') === narrow;
  }

  #visibility(layer: number): Visibility {
    const { tokens: T, keys: S, windows, prefix, causal } = this.protocol;
    return { T, S, window: windows[layer]!, prefix, causal };
  }
}

type Group = 'full' | 'window' | 'all';
const groups: readonly Group[] = ['full', 'window', 'all'];

function addTo(target: Float64Array, more: Float64Array): void {
  for (let i = 0; i < target.length; i++) target[i]! += more[i]!;
}

function fill(name: string, target: Float64Array, values: readonly number[]): void {
  if (values.length !== target.length) {
    throw new InputError(`sink rate: ${name}: expected ${target.length} values, got ${values.length}`);
  }
  target.set(values);
}
