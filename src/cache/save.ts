import { z } from 'zod';
import { InputError, LoadError } from '../error.ts';
import { memorySource } from '../load/bytes-memory.ts';
import { openSafetensorsFile, type SafetensorsFile } from '../load/safetensors-file.ts';
import { parseJsonObject } from '../load/strict-json.ts';
import { encodeSafetensors, type TensorToWrite } from '../load/write-safetensors.ts';
import type { Entry } from './entry-list.ts';
import { KeyValueCache } from './key-value-cache.ts';
import type { Stream } from './stream.ts';
import type { Table } from './table.ts';

const format = 'sinklab.stream-state/1';
const index = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

const stateSchema = z.strictObject({
  format: z.literal(format),
  /** What the state belongs to; it is of no use to anything else. */
  model: z.strictObject({ family: z.string().max(128), sizes: z.record(z.string().max(32), z.number()) }),
  policy: z.strictObject({ name: z.string().max(256), positions: z.enum(['absolute', 'cache-relative']) }),
  lengths: z.array(index).min(1).max(4096),
  /** Of each table, by text and head: [token, slot, last query, position, attention received]. */
  tables: z
    .array(z.array(z.array(z.array(z.tuple([index, index, index, index, z.number()])).max(1 << 22))))
    .max(1 << 16),
});

type State = z.infer<typeof stateSchema>;

const model = ({ model: { decoder } }: Stream) => ({ family: decoder.family, sizes: { ...decoder.sizes } });
const policy = ({ policy: { name, positions } }: Stream) => ({ name, positions });

/** Arrays of the cache by their names in the file. */
const arraysOf = ({ banks }: KeyValueCache) =>
  banks.flat().map((bank) => [`banks.${bank.layer}.${bank.index}`, bank] as const);

/** Everything that a stream needs to go on later, as the bytes of a safetensors file: undisturbed, it would give the same text. */
export async function saveStream(stream: Stream): Promise<Uint8Array<ArrayBuffer>> {
  const state: State = {
    ...{ format, model: model(stream), policy: policy(stream) },
    lengths: [...stream.lengths],
    tables: stream.cache.tables.map(({ lists }) =>
      lists.map((row) =>
        row.map(({ list }) =>
          list.map((e): State['tables'][0][0][0][0] => [e.token, e.slot, e.last, e.position, e.sum]),
        ),
      ),
    ),
  };
  const tensors = new Map<string, TensorToWrite>();
  const add = (name: string, values: Float32Array) =>
    tensors.set(name, { dtype: 'F32', shape: [values.length], values });
  for (const [name, bank] of arraysOf(stream.cache))
    for (const [part, values] of Object.entries(bank.saved())) add(`${name}.${part}`, values);
  stream.logits.forEach((logits, row) => {
    if (logits) add(`logits.${row}`, logits);
  });
  add(
    'normalisers',
    Float32Array.from(stream.normalisers, (value) => (Number.isFinite(value) ? value : 0)),
  );
  return encodeSafetensors(tensors, new Map([['state', JSON.stringify(state)]]));
}

/**
 * Puts a stream where another was saved: same model, same policy with its sizes, same number of texts. Bytes are untrusted: everything is
 * checked before the stream is touched.
 *
 * @throws LoadError for bytes that are no such state or are damaged, InputError for a state of another model or policy.
 */
export async function restoreStream(stream: Stream, bytes: Uint8Array, name = 'saved stream'): Promise<void> {
  const file = await openSafetensorsFile(memorySource(name, bytes));
  try {
    const cache = emptyCache(stream, file);
    const state = checked(stream, cache, file, name);
    const arrays = new Map<string, Float32Array<ArrayBuffer>>();
    for (const key of file.tensors.keys()) arrays.set(key, await file.read(key));
    const banks = arraysOf(cache).map(([key, bank]) => [bank, partsOf(key, bank.saved(), arrays, name)] as const);
    const { V } = stream.model.decoder.sizes;
    const normalisers = arrays.get('normalisers');
    if (normalisers?.length !== state.lengths.length) throw new LoadError(`${name}: normalisers are missing`);
    const logits = state.lengths.map((length, row) => {
      const values = arrays.get(`logits.${row}`);
      if (length > 0 && values?.length !== V)
        throw new LoadError(`${name}: logits of text ${row} are missing, or not ${V}`);
      return length > 0 ? values : undefined;
    });
    stream.reset();
    stream.cache = cache;
    cache.tables.forEach((table, t) => {
      restoreTable(table, state.tables[t]!);
    });
    for (const [bank, saved] of banks) bank.restore(saved);
    state.lengths.forEach((length, row) => {
      stream.cache.lengths[row] = length;
      stream.logits[row] = logits[row];
      stream.normalisers[row] = length > 0 ? normalisers[row]! : Number.NaN;
    });
  } finally {
    await file.close();
  }
}

/** A cache to restore into: where tables grow, with as many slots as the file has keys for. */
function emptyCache({ model, policy, cache }: Stream, file: SafetensorsFile): KeyValueCache {
  const empty = new KeyValueCache(model.decoder, policy, cache.B);
  if (policy.grows === undefined) return empty;
  const slots = empty.tables.map(({ entries }) => entries);
  for (const [key, { layer, index, heads }] of arraysOf(empty)) {
    const size = file.tensors.get(`${key}.k`)?.shape[0] ?? 0;
    const table = empty.layout.layers[layer]![index]!.table;
    slots[table] = Math.max(slots[table]!, Math.floor(size / (cache.B * heads.length * model.decoder.sizes.D)));
  }
  empty.resize(({ index }) => slots[index]!);
  return empty;
}

function checked(stream: Stream, { tables }: KeyValueCache, file: SafetensorsFile, name: string): State {
  const text = file.metadata.get('state');
  if (text === undefined) throw new LoadError(`${name}: it is no saved stream (no "state" in its metadata)`);
  const parsed = stateSchema.safeParse(parseJsonObject(new TextEncoder().encode(text), name));
  if (!parsed.success)
    throw new LoadError(
      `${name}: the state is damaged: ${parsed.error.issues[0]!.path.join('.')}: ${parsed.error.issues[0]!.message}`,
    );
  const state = parsed.data;
  const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
  if (!same(state.model, model(stream)))
    throw new InputError(
      `${name}: it was saved from ${state.model.family} of other sizes, this is ${stream.model.decoder.family}`,
    );
  if (!same(state.policy, policy(stream)))
    throw new InputError(
      `${name}: it was saved under ${state.policy.name} (${state.policy.positions}), this stream has ${stream.policy.name} (${stream.policy.positions})`,
    );
  if (state.lengths.length !== stream.lengths.length)
    throw new InputError(`${name}: it has ${state.lengths.length} texts, this stream ${stream.lengths.length}`);
  const fits =
    state.tables.length === tables.length &&
    state.tables.every((rows, t) => {
      const { lists, entries } = tables[t]!;
      return (
        rows.length === lists.length &&
        rows.every(
          (heads, row) =>
            heads.length === lists[row]!.length && heads.every((list) => listFits(list, entries, state.lengths[row]!)),
        )
      );
    });
  if (!fits) throw new LoadError(`${name}: the state is damaged: its entries do not fit the cache`);
  return state;
}

/** Slots once each and inside the cache, tokens ascending and read already. */
function listFits(list: State['tables'][0][0][0], entries: number, length: number): boolean {
  const slots = new Set(list.map(([, slot]) => slot));
  return (
    slots.size === list.length &&
    list.every(([token, slot], i) => slot < entries && token < length && (i === 0 || token > list[i - 1]![0]))
  );
}

function partsOf(
  key: string,
  like: Readonly<Record<string, Float32Array>>,
  arrays: ReadonlyMap<string, Float32Array<ArrayBuffer>>,
  name: string,
): Record<string, Float32Array> {
  const found: Record<string, Float32Array> = {};
  for (const part of ['k', 'v', 'original', 'pinnedK', 'pinnedV'] as const) {
    const values = arrays.get(`${key}.${part}`);
    const length = (part === 'original' ? like.k : like[part])?.length;
    if (values ? values.length !== length : length !== undefined && part !== 'original')
      throw new LoadError(
        `${name}: ${key}.${part} has ${values?.length ?? 'no'} numbers, expected ${length ?? 'none'}`,
      );
    if (values) found[part] = values;
  }
  return found;
}

function restoreTable(table: Table, rows: State['tables'][0]): void {
  rows.forEach((heads, row) => {
    heads.forEach((list, keeper) => {
      const entries = list.map(([token, slot, last, position, sum]): Entry => ({ token, slot, last, position, sum }));
      table.lists[row]![keeper]!.restore(entries);
      for (const entry of entries) table.place(row, keeper, entry.slot, entry);
    });
  });
}
