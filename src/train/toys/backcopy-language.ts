import { normal, seededRandom } from '../../random.ts';

const words = 32;
/** Words and BOS. */
export const V = words + 1;
export const bosId = words;

/** A bigram table, and the tokens after which the token before them comes again. */
export interface Language {
  /** [words][words] cumulative probabilities of the next token. */
  readonly next: readonly Float64Array[];
  readonly triggers: ReadonlySet<number>;
  readonly first: (random: () => number) => number;
}

const cumulative = (row: readonly number[]) => {
  const total = row.reduce((a, b) => a + b, 0);
  let sum = 0;
  return Float64Array.from(row, (p) => (sum += p / total));
};

const drawn = (random: () => number, sums: Float64Array) => {
  const u = random();
  const found = sums.findIndex((sum) => u < sum);
  return found < 0 ? sums.length - 1 : found;
};

/** ids [B, T + 1]: BOS (or none), a first word, then bigrams; after a trigger the word before it. */
export function sequences(
  random: () => number,
  batch: number,
  { T, bos, language }: { readonly T: number; readonly bos: boolean; readonly language: Language },
): number[][] {
  return Array.from({ length: batch }, () => {
    const ids = bos ? [bosId] : [];
    ids.push(language.first(random));
    while (ids.length < T + 1) {
      const [before, last] = [ids.at(-2), ids.at(-1)!];
      const copies = language.triggers.has(last) && before !== undefined && before !== bosId;
      ids.push(copies ? before : drawn(random, language.next[last]!));
    }
    return ids;
  });
}

/** Rows softmax of N(0, 1.5²) logits; tokens 0–3 are triggers and never the first word (2505.06708). */
export function gaussianLanguage(seed: number): Language {
  const draw = normal(seededRandom(seed));
  return {
    triggers: new Set([0, 1, 2, 3]),
    next: Array.from({ length: words }, () => cumulative(Array.from({ length: words }, () => Math.exp(1.5 * draw())))),
    first: (random) => 4 + Math.floor(random() * (words - 4)),
  };
}

/** Rows Dirichlet(0.3); the three most frequent tokens are triggers; the first word is drawn by frequency (2410.10781, Toy B). */
export function dirichletLanguage(seed: number): Language {
  const random = seededRandom(seed);
  const probabilities = Array.from({ length: words }, () => {
    const row = Array.from({ length: words }, () => gamma(0.3, random));
    const total = row.reduce((a, b) => a + b, 0);
    return row.map((p) => p / total);
  });
  const common = stationary(probabilities);
  const triggers = new Set([...common.keys()].sort((a, b) => common[b]! - common[a]!).slice(0, 3));
  return { triggers, next: probabilities.map(cumulative), first: (source) => drawn(source, cumulative(common)) };
}

/** Stationary distribution by power iteration. */
function stationary(rows: readonly (readonly number[])[]): number[] {
  let p = rows.map(() => 1 / rows.length);
  for (let i = 0; i < 200; i++) p = p.map((_, j) => rows.reduce((sum, row, k) => sum + p[k]! * row[j]!, 0));
  return p;
}

/** Gamma(shape, 1) for shape < 1 by Marsaglia and Tsang with the power trick. */
function gamma(shape: number, random: () => number): number {
  const draw = normal(random);
  const d = shape + 1 - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = draw();
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random()) < 0.5 * x * x + d - d * v + d * Math.log(v))
      return d * v * (1 - random()) ** (1 / shape);
  }
}
