/** Key/value heads of one layer that keep the same number of entries. */
export interface BankLayout {
  /** Key/value heads, ascending; absent: all of the layer. */
  readonly heads?: readonly number[];
  /** Which table says where its entries stand. Banks of one table keep the same tokens. */
  readonly table: number;
}

/** Where the entries of some banks stand, and how many there may be. */
export interface TableLayout {
  /** Entries from the start of the text that stay for ever. */
  readonly pinned: number;
  /** Entries that come and go; at least 1. */
  readonly entries: number;
  /** Key/value heads that keep tokens of their own; absent: all heads of the table's banks keep the same. */
  readonly heads?: number;
}

/** What a cache holds: banks by layer, and the tables that they use. */
export interface CacheLayout {
  readonly layers: readonly (readonly BankLayout[])[];
  readonly tables: readonly TableLayout[];
}

/** All heads of all layers keep the same tokens. */
export function uniformLayout(layers: number, table: TableLayout): CacheLayout {
  return { layers: Array.from({ length: layers }, () => [{ table: 0 }]), tables: [table] };
}

/** A table for each layer, whose heads keep the same tokens; or, with `heads`, tokens of their own. */
export function layerwiseLayout(layers: number, table: TableLayout): CacheLayout {
  return {
    layers: Array.from({ length: layers }, (_, layer) => [{ table: layer }]),
    tables: Array.from({ length: layers }, () => table),
  };
}
