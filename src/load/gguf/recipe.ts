import type { GgufTensorInfo } from './header.ts';
import * as restore from './restore.ts';

/** A tensor of the checkpoint: the parts of the file it is made of and how. */
export interface Recipe {
  /** Hugging Face name; `#` stands for the block's number, `*` for an expert's. */
  readonly name: string;
  readonly parts: readonly GgufTensorInfo[];
  readonly shape: readonly number[];
  /** Absent: the values as they are. */
  readonly restore?: restore.Restore;
  /** Where each row lies in the file, when rows are all that has another order. */
  readonly rows?: Int32Array;
}

/** A tensor of the file, and what is known around it. */
export interface Site {
  readonly info: GgufTensorInfo;
  /** Another tensor of the same block: `blk.#.ffn_up_exps.weight`. */
  find(pattern: string): GgufTensorInfo | undefined;
  /** A whole number of the configuration. */
  count(key: string): number;
  /** Throws unless the tensor's shape can be divided so. */
  divides(ok: boolean, into: string): void;
  fail(what: string): never;
}

/** What a tensor of the file becomes: one of another name, or what a function makes of it. */
export type Target = string | ((site: Site) => readonly Recipe[]);

export type Targets = Readonly<Record<string, Target>>;

/** A weight and its bias under new names. */
export function both(from: string, to: string): Record<string, string> {
  return { [`${from}.weight`]: `${to}.weight`, [`${from}.bias`]: `${to}.bias` };
}

/** Rows in another order. */
export function reordered(name: string, sources: (site: Site) => Int32Array): Target {
  return (site) => {
    const { info } = site;
    const rows = sources(site);
    return [{ name, parts: [info], shape: info.shape, rows, restore: ([from]) => restore.takeRows(from!, rows) }];
  };
}

/** Queries or keys whose rotary pairs are neighbours in the file and half a head apart in the checkpoint. */
export function halfSplit(name: string, heads: string): Target {
  return reordered(name, ({ info: { shape }, count, divides }) => {
    const number = count(heads);
    divides(shape.length <= 2 && shape[0]! % (2 * number) === 0, `${number} heads of rotary pairs`);
    return restore.halfSplitRows(shape[0]!, number);
  });
}

/** One projection for queries, keys and values: all queries first in the file, by group of heads in the checkpoint. */
export function byGroup(name: string, heads: string, groups = heads): Target {
  return reordered(name, ({ info: { shape }, count, divides }) => {
    const [H, G] = [count(heads), count(groups)];
    const whole = shape.length <= 2 && H % G === 0 && shape[0]! % (H + 2 * G) === 0;
    divides(whole, `queries, keys and values of ${H} heads${G === H ? '' : ` in ${G} groups`}`);
    return restore.groupedRows(H, G, shape[0]! / (H + 2 * G));
  });
}

/** The same shape, other values. */
export function changed(name: string, change: restore.Restore): Target {
  return ({ info }) => [{ name, parts: [info], shape: info.shape, restore: change }];
}

/** A norm that is stored as 1 + weight. */
export const offsetNorm = (name: string): Target => changed(name, restore.restoreOffsetNorm);

/** The same values in the same order under another shape. */
export function reshaped(name: string, shape: (stored: readonly number[]) => readonly number[]): Target {
  return ({ info }) => [{ name, parts: [info], shape: shape(info.shape) }];
}

/** The last two axes change places. */
export function transposed(name: string, rank: 2 | 3): Target {
  return ({ info, divides }) => {
    const { shape } = info;
    divides(shape.length === rank, `${rank} axes`);
    const turned = [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!];
    return [{ name, parts: [info], shape: turned, restore: restore.restoreTransposed(shape) }];
  };
}

/** Tensors stacked along the first axis, one for each of `number`: their blocks and numbers can be read one by one. */
export function stacked(name: string, number: string): Target {
  return ({ info, count, divides }) => {
    const { shape, bytes, offset } = info;
    const [first, ...rest] = shape as [number, ...number[]];
    divides(first === count(number) && rest.length > 0, `${count(number)} tensors`);
    return Array.from({ length: first }, (_, i) => {
      const part = { ...info, shape: rest, bytes: bytes / first, offset: offset + (i * bytes) / first };
      return { name: name.replace('*', String(i)), parts: [part], shape: rest };
    });
  };
}

/** Rows that are several tensors one after the other, with how many rows each has. */
export function sections(rows: (site: Site) => readonly (readonly [name: string, rows: number])[]): Target {
  return (site) => {
    const { info, divides } = site;
    const named = rows(site);
    const sum = named.reduce((total, [, count]) => total + count, 0);
    const row = info.bytes / info.shape[0]!;
    // Rows of block formats are whole blocks; a vector in blocks cannot be cut anywhere.
    divides(
      sum === info.shape[0] && (info.shape.length === 2 || info.type.values === 1),
      named.map(([, n]) => n).join(' + '),
    );
    let start = 0;
    return named.map(([name, count]) => {
      const shape = [count, ...info.shape.slice(1)];
      const part = { ...info, shape, bytes: count * row, offset: info.offset + start * row };
      start += count;
      return { name, parts: [part], shape };
    });
  };
}

/** Read with another tensor, which has to be there. */
export function partOf(pattern: string): Target {
  return ({ find, fail }) => (find(pattern) === undefined ? fail(`needs its partner ${pattern.split('.')[2]}`) : []);
}
