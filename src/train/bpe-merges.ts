import { PairQueue } from './bpe-queue.ts';

export interface MergeOptions {
  /** Tokens there are from the start, by id: special tokens, then one for each byte. */
  readonly tokens: readonly string[];
  /** Id of each byte. */
  readonly byteIds: readonly number[];
  readonly vocabularySize: number;
  /** A pair that occurs less often is not merged. */
  readonly minimumFrequency: number;
}

export interface LearnedMerges {
  /** Token by id. */
  readonly tokens: readonly string[];
  /** Best first. */
  readonly merges: readonly (readonly [string, string])[];
}

/**
 * Byte pair encoding (arXiv 1508.07909): the most frequent pair of neighbouring tokens becomes a token, again and again. Among equally frequent
 * pairs the one with the smaller left id wins, then the smaller right id. Pairs are counted once; a merge recounts only the pieces it changes.
 *
 * Two pairs may spell the same token: both are merges then, with one token. A pair merged before that comes up again is merged without a second entry.
 *
 * @param pieces how often each piece occurs.
 */
export function learnMerges(pieces: ReadonlyMap<string, number>, options: MergeOptions): LearnedMerges {
  const { byteIds, vocabularySize: size, minimumFrequency } = options;
  const tokens = [...options.tokens];
  const idOf = new Map(tokens.map((token, id) => [token, id]));
  const merges: (readonly [string, string])[] = [];
  const mergedAs = new Map<number, number>();
  const { symbols, starts, lengths, counts } = layOut(pieces, byteIds);

  // A pair's key is left · size + right: keys sort as pairs do.
  const pairCounts = new Map<number, number>();
  const places = new Map<number, number[]>();
  const place = (key: number, word: number) => {
    const list = places.get(key);
    if (list === undefined) places.set(key, [word]);
    else if (list[list.length - 1] !== word) list.push(word);
  };
  const countPairs = (word: number, change: number) => {
    const start = starts[word]!;
    const last = start + lengths[word]! - 1;
    for (let at = start; at < last; at++) {
      const key = symbols[at]! * size + symbols[at + 1]!;
      pairCounts.set(key, (pairCounts.get(key) ?? 0) + change);
    }
  };
  for (let word = 0; word < starts.length; word++) {
    countPairs(word, counts[word]!);
    const last = starts[word]! + lengths[word]! - 1;
    for (let at = starts[word]!; at < last; at++) place(symbols[at]! * size + symbols[at + 1]!, word);
  }
  const queue = new PairQueue();
  for (const [key, count] of pairCounts) queue.push(key, count);

  while (tokens.length < size) {
    const top = queue.pop();
    if (top === undefined || top.count < minimumFrequency) break;
    const current = pairCounts.get(top.key) ?? 0;
    if (current !== top.count) {
      // Counts in the queue are never too small: a pair that grew was pushed again.
      if (current >= minimumFrequency) queue.push(top.key, current);
      continue;
    }
    const left = Math.floor(top.key / size);
    const right = top.key % size;
    let merged = mergedAs.get(top.key);
    if (merged === undefined) {
      const token = tokens[left]! + tokens[right]!;
      merged = idOf.get(token) ?? tokens.length;
      if (merged === tokens.length) {
        tokens.push(token);
        idOf.set(token, merged);
      }
      merges.push([tokens[left]!, tokens[right]!]);
      mergedAs.set(top.key, merged);
    }
    const grown = new Set<number>();
    for (const word of places.get(top.key) ?? []) {
      countPairs(word, -counts[word]!);
      mergeWord(word, left, right, merged);
      countPairs(word, counts[word]!);
      const last = starts[word]! + lengths[word]! - 1;
      for (let at = starts[word]!; at < last; at++) {
        if (symbols[at] !== merged && symbols[at + 1] !== merged) continue;
        const key = symbols[at]! * size + symbols[at + 1]!;
        place(key, word);
        grown.add(key);
      }
    }
    places.delete(top.key);
    pairCounts.delete(top.key);
    for (const key of grown) queue.push(key, pairCounts.get(key)!);
  }
  return { tokens, merges };

  /** Left to right, in place. */
  function mergeWord(word: number, left: number, right: number, merged: number): void {
    const start = starts[word]!;
    const end = start + lengths[word]!;
    let to = start;
    for (let from = start; from < end; from++, to++) {
      const both = symbols[from] === left && from + 1 < end && symbols[from + 1] === right;
      symbols[to] = both ? merged : symbols[from]!;
      if (both) from++;
    }
    lengths[word] = to - start;
  }
}

/** Pieces as runs of byte ids in one array. */
function layOut(pieces: ReadonlyMap<string, number>, byteIds: readonly number[]) {
  const encoder = new TextEncoder();
  let total = 0;
  for (const piece of pieces.keys()) total += encoder.encode(piece).length;
  const symbols = new Int32Array(total);
  const starts = new Int32Array(pieces.size);
  const lengths = new Int32Array(pieces.size);
  const counts = new Float64Array(pieces.size);
  let word = 0;
  let at = 0;
  for (const [piece, count] of pieces) {
    starts[word] = at;
    for (const byte of encoder.encode(piece)) symbols[at++] = byteIds[byte]!;
    lengths[word] = at - starts[word]!;
    counts[word++] = count;
  }
  return { symbols, starts, lengths, counts };
}
