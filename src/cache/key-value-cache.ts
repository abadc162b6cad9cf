import { CacheFullError } from '../error.ts';
import type { Decoder } from '../models/decoder.ts';
import type { HostTensor } from '../runtime/backend.ts';
import { Bank, type NewKeysAndValues } from './bank.ts';
import { checkEmbedded, checkKept, checkLayout, checkPositions } from './check-policy.ts';
import type { Entry } from './entry-list.ts';
import type { CacheLayout } from './layout.ts';
import type { CachePolicy, Entries } from './policy.ts';
import { forEver, Table } from './table.ts';

/** Consecutive texts of a batch that run together, and how many new tokens each has. */
export interface Span {
  readonly row: number;
  readonly count: number;
  readonly T: number;
}

/** May the policy evict, and has a prompt ended? */
interface Moment {
  readonly decide: boolean;
  readonly promptEnd: boolean;
}

type Values = Readonly<Record<string, HostTensor>>;

/** The entries of one head, or of heads that share them, before and after a step. */
interface Seen {
  readonly table: Table;
  readonly keeper: number;
  readonly old: readonly Entry[];
  readonly fresh: readonly number[];
  readonly entries: Entries;
}

const int64 = (shape: readonly number[], values: readonly number[]): HostTensor => ({
  type: 'int64',
  shape,
  data: BigInt64Array.from(values, BigInt),
});

/** The keys and values of a batch of texts under a policy. Shapes of what is fed never change but while a whole prompt is read. */
export class KeyValueCache {
  readonly layout: CacheLayout;
  readonly tables: readonly Table[];
  readonly banks: readonly (readonly Bank[])[];
  /** Tokens read so far, by text. */
  readonly lengths: number[];
  private readonly users: readonly (readonly Bank[])[];
  /** Tables by the layer that uses them; alone where several do. */
  private readonly together: readonly (readonly Table[])[];

  constructor(
    readonly decoder: Decoder,
    readonly policy: CachePolicy,
    readonly B: number,
  ) {
    const { sizes, blocks } = decoder;
    this.layout = policy.layout(sizes);
    checkLayout(policy.name, this.layout, decoder);
    checkPositions(policy, this.layout, decoder);
    this.lengths = new Array<number>(B).fill(0);
    this.tables = this.layout.tables.map((table, t) => new Table(t, table, B));
    this.banks = this.layout.layers.map((banks, layer) =>
      banks.map(({ heads, table }, b) => {
        const { pinned, entries } = this.layout.tables[table]!;
        const own = heads ?? Array.from({ length: sizes.G }, (_, g) => g);
        const of = { B, G: own.length, D: sizes.D, pinned, entries };
        return new Bank(layer, b, own, of, sizes.G, blocks[layer]!.attention.rotary);
      }),
    );
    this.users = this.tables.map((_, t) =>
      this.layout.layers.flatMap((banks, layer) =>
        banks.flatMap(({ table }, b) => (table === t ? [this.banks[layer]![b]!] : [])),
      ),
    );
    const groups = new Map<string, Table[]>();
    for (const table of this.tables) {
      const layers = new Set(this.users[table.index]!.map(({ layer }) => layer));
      const key = layers.size === 1 ? `layer ${[...layers][0]}` : `table ${table.index}`;
      groups.set(key, [...(groups.get(key) ?? []), table]);
    }
    this.together = [...groups.values()];
  }

  /** Bytes of keys and values. */
  get bytes(): number {
    return this.banks.flat().reduce((total, bank) => total + bank.bytes, 0);
  }

  /** Is a mask needed that says when entries expire while a chunk runs? */
  get expiring(): boolean {
    return this.policy.lastQuery !== undefined;
  }

  private last(token: number, table: number): number {
    const last = this.policy.lastQuery?.(token, table) ?? forEver;
    return Number.isFinite(last) ? last : forEver;
  }

  /**
   * How many of the next `wanted` tokens of a text may go in one step, each seeing what it would see one by one. Not across the end of
   * the pinned entries, whose queries stand elsewhere; and where attention decides, no more than there is room for.
   */
  stepLimit(row: number, wanted: number): number {
    let limit = wanted;
    for (const { layout, lists, entries } of this.tables) {
      const before = layout.pinned - this.lengths[row]!;
      if (before > 0) limit = Math.min(limit, before);
      if (!this.policy.keep) continue;
      for (const { list } of lists[row]!) {
        limit = Math.max(1, Math.min(limit, entries - list.length));
        const tokens = () => list.map(({ token }) => token);
        limit = this.policy.stepEnd?.(tokens(), this.lengths[row]!, limit) ?? limit;
      }
    }
    return Math.max(1, limit);
  }

  /** Everything that the program of one step is fed but for the tokens themselves. */
  feeds({ row, count, T }: Span): Record<string, HostTensor> {
    this.grow({ row, count, T });
    const rows = Array.from({ length: count }, (_, i) => row + i);
    const starts = rows.map((b) => this.lengths[b]!);
    const each = (value: (b: number, i: number) => number) =>
      int64(
        [count, T],
        rows.flatMap((b) => Array.from({ length: T }, (_, t) => value(b, this.lengths[b]! + t))),
      );
    const relative = this.policy.positions === 'cache-relative';
    const ranks = (t: number) => {
      const counted = rows.map((b) => this.visibleBefore(b, t, T));
      return int64([count, T], counted.flat());
    };
    const feeds: Record<string, HostTensor> = { positions: each((_, i) => i) };
    const embedded = relative && this.decoder.embeddedPositions !== undefined ? ranks(0) : feeds.positions!;
    checkEmbedded(this.policy, this.decoder, embedded);
    feeds.embed_positions = embedded;
    this.tables.forEach((table, t) => {
      Object.assign(feeds, table.feeds(row, count, starts, this.expiring));
      if (this.expiring) feeds[`new_expires${t}`] = each((_, i) => this.last(i, t));
      if (table.layout.pinned > 0) feeds[`pinned_queries${t}`] = relative ? ranks(t) : feeds.positions!;
    });
    for (const bank of this.banks.flat()) Object.assign(feeds, bank.feeds(row, count));
    return feeds;
  }

  /** For each of the next T tokens, how many tokens it sees before itself. */
  private visibleBefore(row: number, t: number, T: number): number[] {
    const start = this.lengths[row]!;
    const table = this.tables[t]!;
    const [pinned, list] = [table.layout.pinned, table.lists[row]![0]!.list];
    return Array.from({ length: T }, (_, j) => {
      const query = start + j;
      let seen = Math.min(pinned, query);
      for (const { last } of list) if (last >= query) seen++;
      for (let i = Math.max(start, pinned); i < query; i++) if (this.last(i, t) >= query) seen++;
      return seen;
    });
  }

  /** Takes in the keys and values of new tokens, and lets the policy decide which entries stay. */
  commit(span: Span, outputs: Values, when: Moment): void {
    const { row, count, T } = span;
    const made: NewKeysAndValues = { k: outputs.k!.data as Float32Array, v: outputs.v!.data as Float32Array, T };
    for (let i = 0; i < count; i++)
      for (const tables of this.together) {
        const layer: Entries[] = [];
        const seen = tables.flatMap((table) =>
          table.lists[row + i]!.map((_, keeper) => this.see(table, keeper, i, span, made, outputs, when, layer)),
        );
        layer.push(...seen.map(({ entries }) => entries));
        const kept = seen.map((one) => this.kept(one, when.decide));
        seen.forEach((one, at) => {
          this.commitList(one, kept[at]!, i, span, made);
        });
      }
    for (let i = 0; i < count; i++) this.lengths[row + i]! += T;
  }

  private see(
    table: Table,
    keeper: number,
    ranRow: number,
    { row: first, count, T }: Span,
    made: NewKeysAndValues,
    outputs: Values,
    { promptEnd }: Moment,
    layer: readonly Entries[],
  ): Seen {
    const row = first + ranRow;
    const old = table.lists[row]![keeper]!.list;
    const [start, next] = [this.lengths[row]!, this.lengths[row]! + T];
    const from = Math.max(start, table.layout.pinned);
    const fresh = Array.from({ length: Math.max(0, next - from) }, (_, i) => from + i);
    const received = this.received(table, keeper, ranRow, old, fresh.length, outputs);
    const sums = received.map((value, rank) => value + (old[rank]?.sum ?? 0));
    const bank = this.users[table.index]![0]!;
    const value = (rank: number) =>
      rank < old.length
        ? bank.value(row, keeper, old[rank]!.slot)
        : bank.newValue(made, { ranRow, rowsRun: count, t: fresh[rank - old.length]! - start }, keeper);
    const head = table.layout.heads === undefined ? undefined : keeper;
    const tokens = [...old.map(({ token }) => token), ...fresh];
    const entries = { table: table.index, head, tokens, received, sums, next, promptEnd, value, layer };
    return { table, keeper, old, fresh, entries };
  }

  private commitList(
    { table, keeper, old, fresh, entries: { sums, head, next } }: Seen,
    kept: readonly number[],
    ranRow: number,
    { row: first, count }: Span,
    made: NewKeysAndValues,
  ): void {
    const row = first + ranRow;
    const { pinned } = table.layout;
    const users = this.users[table.index]!;
    const entries = table.lists[row]![keeper]!;
    const start = this.lengths[row]!;
    const copy = (token: number, slot: number) => ({ row, ranRow, rowsRun: count, t: token - start, slot });
    for (let token = start; token < Math.min(next, pinned); token++)
      for (const bank of users) bank.write(made, copy(token, token), 'pinned');
    const [keptOld, added]: [number[], number[]] = [[], []];
    // The list grows below.
    const before = old.length;
    for (const rank of kept) (rank < before ? keptOld : added).push(rank);
    for (const rank of keptOld) old[rank]!.sum = sums[rank] ?? 0;
    for (const { slot } of entries.retain(keptOld)) table.place(row, keeper, slot, undefined);
    if (added.length > entries.room) {
      const room = this.roomFor(kept.length);
      if (room === undefined)
        throw this.full(`${kept.length} entries after ${next} tokens`, this.policy.most ?? table.entries);
      this.resizeTable(table, room);
    }
    for (const rank of added) {
      const token = fresh[rank - before]!;
      const slot = entries.add(token, this.last(token, table.index), sums[rank] ?? 0);
      for (const bank of users) bank.write(made, copy(token, slot), 'entries', head);
      table.place(row, keeper, slot, entries.list.at(-1)!);
    }
    if (this.policy.positions === 'cache-relative') this.renumber(table, keeper, row, next);
  }

  /** Ranks that stay, of old and new entries together. */
  private kept({ table, old, fresh, entries }: Seen, decide: boolean): readonly number[] {
    const all = old.length + fresh.length;
    const chosen = (decide ? this.policy.keep : undefined)?.(entries);
    const lasts = (rank: number) =>
      !this.expiring ||
      (rank < old.length ? old[rank]!.last : this.last(fresh[rank - old.length]!, table.index)) >= entries.next;
    const kept = chosen ?? Array.from({ length: all }, (_, rank) => rank).filter(lasts);
    checkKept(this.policy.name, kept, all, table.layout.pinned, entries.next);
    return kept;
  }

  /** Attention that old and new entries received, by rank: the mean over banks and, where heads share entries, over heads. */
  private received(
    table: Table,
    keeper: number,
    ranRow: number,
    old: readonly Entry[],
    fresh: number,
    outputs: Values,
  ): Float64Array {
    if (this.policy.weighs === undefined) return new Float64Array(0);
    const result = new Float64Array(old.length + fresh);
    const users = this.users[table.index]!;
    const { pinned, heads } = table.layout;
    for (const bank of users) {
      const { data, shape } = outputs[`weights${bank.layer}_${bank.index}`]!;
      const [, G, S] = shape as [number, number, number];
      const share = 1 / (users.length * (heads === undefined ? G : 1));
      for (let g = 0; g < G; g++) {
        if (heads !== undefined && g !== keeper) continue;
        const from = (ranRow * G + g) * S;
        for (let rank = 0; rank < result.length; rank++) {
          const place = rank < old.length ? pinned + old[rank]!.slot : S - fresh + rank - old.length;
          result[rank]! += share * (data[from + place] as number);
        }
      }
    }
    return result;
  }

  /** Entries take the positions before the next token, without gaps. Those that stand there already are not touched. */
  private renumber(table: Table, keeper: number, row: number, next: number): void {
    const { list } = table.lists[row]![keeper]!;
    const head = table.layout.heads === undefined ? undefined : keeper;
    list.forEach((entry, rank) => {
      const position = next - list.length + rank;
      if (entry.position === position) return;
      entry.position = position;
      for (const bank of this.users[table.index]!) bank.turn(row, entry.slot, position - entry.token, head);
      table.place(row, keeper, entry.slot, entry);
    });
  }

  /** Slots of a table that is to hold so many entries; undefined where it may not have as many. */
  private roomFor(entries: number): number | undefined {
    const { grows, most = Number.POSITIVE_INFINITY } = this.policy;
    return grows === undefined || entries > most ? undefined : Math.min(most, entries + grows - 1);
  }

  /** Slots for T more tokens, before a policy that looks at all of them decides. */
  private grow({ row, count, T }: Span): void {
    const { grows, keep } = this.policy;
    if (grows === undefined || !keep) return;
    this.resize(({ lists, entries }) => {
      const most = Math.max(
        ...lists
          .slice(row, row + count)
          .flat()
          .map(({ list }) => list.length),
      );
      return most + T <= entries ? entries : most + T + grows - 1;
    });
  }

  /** Attention received so far no longer counts: another prompt begins. */
  forgetSums(row: number): void {
    for (const { lists } of this.tables) for (const { list } of lists[row]!) for (const entry of list) entry.sum = 0;
  }

  /** Room for so many entries in every table and its banks. Throws a CacheFullError where more are kept. */
  resize(size: (table: Table) => number): void {
    for (const table of this.tables) this.resizeTable(table, size(table));
  }

  private resizeTable(table: Table, entries: number): void {
    if (entries === table.entries) return;
    if (table.most > entries) throw this.full(`${table.most} entries`, entries);
    const from = table.resize(entries);
    for (const bank of this.users[table.index]!) bank.resize(entries, from);
  }

  private full(kept: string, room: number): CacheFullError {
    return new CacheFullError(
      `the cache is full: ${this.policy.name} keeps ${kept}, and there is room for ${room}; give it more room, or take a policy that evicts`,
    );
  }
}
