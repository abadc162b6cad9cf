import { linear } from '../../layers/linear.ts';
import { rmsNorm } from '../../layers/norms.ts';
import {
  add,
  and,
  concat,
  divide,
  equal,
  exp,
  expand,
  gather,
  lessOrEqual,
  maximum,
  multiply,
  pick,
  scalar,
  select,
  size,
  slice,
  subtract,
  type Tensor,
  type Within,
  weight,
} from '../../tensor/index.ts';
import type { Places } from '../places.ts';
import { type Rotary, rotate } from '../positions/rope.ts';

/** One vector for each token, or one for each window at the window's last token. */
type Entries = Tensor<'B' | 'S' | 'D'>;

export interface CompressorOptions {
  /** Full name of a weight of the compressor: `wkv`, `wgate`, `ape` (a bias for each place in a window), `norm`. */
  readonly at: (name: string) => string;
  readonly M: number;
  /** Width of an entry. */
  readonly D: number;
  /** Tokens of a window. */
  readonly rate: number;
  /** Entries are made of the window before as well, from projections of its own (the first half of `wkv` and `wgate`). */
  readonly overlap: boolean;
  readonly epsilon: number;
  readonly rotary: Rotary;
}

/** Far below every score, and still a number: differences of two such are 0. */
const nothing = -1e30;

/** A mean weighted by e^gate, not yet divided, with the largest gate taken out of its sums. */
interface WeightedMean {
  readonly top: Entries;
  readonly total: Entries;
  readonly values: Entries;
}

function joined(a: WeightedMean, b: WeightedMean): WeightedMean {
  const top = maximum(a.top, b.top);
  const [left, right] = [exp(subtract(a.top, top)), exp(subtract(b.top, top))];
  const both = (part: 'total' | 'values') => add(multiply(a[part], left), multiply(b[part], right));
  return { top, total: both('total'), values: both('values') };
}

/** What stood `by` tokens before each token; before the text there is nothing. */
function shifted({ top, total, values }: WeightedMean, by: number): WeightedMean {
  const length = size(top, 'S');
  const shift = (x: Entries, fill: number) => {
    const before = expand(scalar(fill), { B: size(x, 'B'), S: by, D: size(x, 'D') }) as Entries;
    return slice(concat([before, x], 'S'), 'S', 0, length);
  };
  return { top: shift(top, nothing), total: shift(total, 0), values: shift(values, 0) };
}

/** The mean over the last `length` tokens, for every token, by doubling: exact, in about 2 · log₂ length steps. */
function overLast(own: WeightedMean, length: number): WeightedMean {
  let found: WeightedMean | undefined;
  let covered = 0;
  let power = own;
  for (let bit = 1; bit <= length; bit *= 2) {
    if (length & bit) {
      found = found ? joined(found, shifted(power, covered)) : power;
      covered += bit;
    }
    if (2 * bit <= length) power = joined(power, shifted(power, bit));
  }
  return found!;
}

/** Place of a token in its window, from 0. */
const placeIn = (positions: Within<'B' | 'S'>, rate: number) => {
  const all = positions as Tensor<'S'>;
  return subtract(all, multiply(divide(all, rate), rate));
};

/**
 * Compressed entries of DeepSeek-V4: of every `rate` tokens one, Σ_j softmax_j(gate_j + bias_j) ⊙ value_j in each component, through an RMSNorm
 * and turned to the position of the window's first token. An entry stands at the last token of its window; at the others nothing is to be read
 * (`closedWindows`). Windows count the text's own tokens, so padding before a text does not move them.
 */
export function compressedEntries(x: Tensor<'B' | 'S' | 'M'>, places: Places, options: CompressorOptions): Entries {
  const { at, M, D, rate, overlap, epsilon, rotary } = options;
  const { keyPositions, keyIsReal } = places;
  const parts = overlap ? 2 : 1;
  const bias = gather(weight(at('ape'), { W: rate, J: parts, D }), placeIn(keyPositions, rate), 'W');
  const all = (name: string) => linear(x, at(name), { J: parts, D }, { M });
  const [values, gates] = [all('wkv'), add(all('wgate'), bias as never) as ReturnType<typeof all>];
  const series = (index: number): WeightedMean => {
    const gate = pick(gates, 'J', index) as Entries;
    const top = keyIsReal ? select(keyIsReal, gate, nothing) : gate;
    return overLast({ top, total: add(multiply(top, 0), 1), values: pick(values, 'J', index) as Entries }, rate);
  };
  const mean = overlap ? joined(series(1), shifted(series(0), rate)) : series(0);
  const entries = rmsNorm(divide(mean.values, mean.total), 'D', at('norm'), { epsilon });
  const first = maximum(subtract(keyPositions as Tensor<'S'>, rate - 1), 0);
  return rotate(entries, first, rotary);
}

/** True where query T may see the entry at key S: a window ends there, and not after the query. */
export function closedWindows(
  { queries, keys, keyPositions, keyIsReal }: Places,
  rate: number,
): Tensor<'T' | 'S'> | Tensor<'B' | 'T' | 'S'> {
  const closes = equal(placeIn(keyPositions, rate), rate - 1);
  const seen = and(closes, lessOrEqual(keys, queries)) as Tensor<'T' | 'S'>;
  return keyIsReal ? and(seen, keyIsReal) : seen;
}
