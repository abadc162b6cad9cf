import type { Bank, Segment } from '../attention/cached.ts';
import { someHeads } from '../attention/some-heads.ts';
import { InputError } from '../error.ts';
import type { Decoder } from '../models/decoder.ts';
import type { Hooks } from '../models/hooks.ts';
import {
  concat,
  dot,
  expand,
  gather,
  input,
  lessOrEqual,
  log,
  mean,
  type Output,
  pick,
  rename,
  softmax,
  subtract,
  type Tensor,
  type Within,
} from '../tensor/index.ts';
import type { CacheLayout } from './layout.ts';

export interface ProgramOptions {
  /** Only its structure matters: numbers of entries are sizes that are fed. */
  readonly layout: CacheLayout;
  /** Do entries expire while a chunk runs? Then each says which query is the last to see it. */
  readonly expires: boolean;
  /** Hand out how much attention each entry received. */
  readonly weights: boolean;
  readonly hooks: Hooks;
}

const ints = <const A extends string>(name: string, axes: Record<A, string | number>) =>
  input(name, axes as never, 'int64') as unknown as Tensor<A>;

/**
 * One step of decoding: T new tokens of B texts over what a cache holds. Inputs by name:
 * - `ids`, `positions`, `embed_positions` [B, T]: tokens, where they stand in the text, and what position tables are asked for;
 * - `rows` [N]: which of the T get logits; `observed` [T]: weight of each query in what entries received;
 * - of table t: `keys{t}` [B, C] or [B, G, C] places of its entries (past every query where there is none), `expires{t}` alike and
 *   `new_expires{t}` [B, T] the last query that sees an entry; `pinned_keys{t}` [B, P], and `pinned_queries{t}` [B, T] where queries stand as
 *   seen from pinned entries;
 * - of bank b of layer l: `k{l}_{b}`, `v{l}_{b}` [B, G, C, D], `pinned_k{l}_{b}`, `pinned_v{l}_{b}` [B, G, P, D].
 *
 * Outputs: `logits` [B, N, V], `normaliser` [B, N] = log Σ exp logits, `k` and `v` [L, B, G, T, D] of the new tokens, and
 * `weights{l}_{b}` [B, G, P + C + T], attention received, mean over the query heads of a group and summed over queries by `observed`.
 */
export function decodeProgram(decoder: Decoder, options: ProgramOptions): Record<string, Output> {
  const { layout, expires, weights, hooks } = options;
  const { G, D } = decoder.sizes;
  const positions = ints('positions', { B: 'B', T: 'T' });
  const ids = ints('ids', { B: 'B', T: 'T' });
  const own = rename(positions, 'T', 'S');
  const tables = layout.tables.map(({ pinned, heads }, t) => {
    const axes: Record<string, string | number> = { B: 'B', ...(heads === undefined ? {} : { G: heads }), S: `C${t}` };
    const lasting = (name: string, of: Record<string, string | number>) =>
      expires
        ? { visible: lessOrEqual(positions, ints(name, of) as Tensor<'B' | 'S'>) as Within<'B' | 'G' | 'T' | 'S'> }
        : {};
    return {
      entries: {
        queries: positions,
        keys: ints(`keys${t}`, axes) as Within<'B' | 'G' | 'S'>,
        ...lasting(`expires${t}`, axes),
      },
      fresh: { queries: positions, keys: own, ...lasting(`new_expires${t}`, { B: 'B', S: 'T' }) },
      ...(pinned > 0
        ? {
            pinned: {
              queries: ints(`pinned_queries${t}`, { B: 'B', T: 'T' }),
              keys: ints(`pinned_keys${t}`, { B: 'B', S: `P${t}` }),
            },
          }
        : {}),
    };
  });
  const observed = input('observed', { T: 'T' });
  const outputs: Record<string, Output> = {};
  const made: { k: Tensor<'B' | 'S' | 'G' | 'D'>; v: Tensor<'B' | 'S' | 'G' | 'D'> }[] = [];
  let x = hooks.outer('embed.hook_out', decoder.embed(ids, ints('embed_positions', { B: 'B', T: 'T' })));
  decoder.blocks.forEach((block, layer) => {
    const { attention } = block;
    if (!attention.attendCached)
      throw new InputError(
        `layer ${layer} of ${decoder.family} keeps something else than keys and values of the model's one size; it cannot be streamed yet`,
      );
    const hook = hooks.block(layer);
    const stream = hook('hook_in', x);
    const normed = block.before(stream, hook);
    const places = { queries: own, keys: own, queryPositions: own, keyPositions: own } as never;
    const kv = attention.keysAndValues(rename(normed, 'T', 'S'), places, hook);
    made.push(kv);
    const held = (name: string, size: number, S: string) => input(name, { B: 'B', G: size, S, D });
    const banks = layout.layers[layer]!.map(({ heads, table: t }, b): Bank => {
      const size = heads?.length ?? G;
      const { pinned, entries, fresh } = tables[t]!;
      const at = `${layer}_${b}`;
      const mine = <A extends string>(all: Tensor<A>) => someHeads(all, heads);
      const segments: Segment[] = [
        ...(pinned
          ? [{ ...pinned, k: held(`pinned_k${at}`, size, `P${t}`), v: held(`pinned_v${at}`, size, `P${t}`) }]
          : []),
        { ...entries, k: held(`k${at}`, size, `C${t}`), v: held(`v${at}`, size, `C${t}`) },
        { ...fresh, k: mine(kv.k), v: mine(kv.v) },
      ];
      const observe = (pattern: Tensor<'B' | 'G' | 'R' | 'T' | 'S'>) => {
        outputs[`weights${at}`] = { value: dot(mean(pattern, 'R'), observed, 'T'), order: ['B', 'G', 'S'] };
      };
      return { segments, ...(heads ? { heads } : {}), ...(weights ? { observe } : {}) };
    });
    x = block.after(stream, attention.attendCached(normed, banks, hook), hook);
  });
  const last = hooks.outer('ln_final.hook_out', decoder.norm(hooks.outer('ln_final.hook_in', x)));
  const wanted = rename(gather(last, input('rows', { N: 'N' }, 'int64'), 'T'), 'N', 'T');
  const logits = rename(hooks.outer('unembed.hook_out', decoder.unembed(wanted)), 'T', 'N');
  outputs.logits = { value: logits, order: ['B', 'N', 'V'] };
  outputs.normaliser = {
    value: subtract(pick(logits, 'V', 0), pick(log(softmax(logits, 'V')), 'V', 0)),
    order: ['B', 'N'],
  };
  for (const name of ['k', 'v'] as const) {
    const layers = made.map((kv) => expand(kv[name], { L: 1 }) as Tensor<'L' | 'B' | 'G' | 'S' | 'D'>);
    outputs[name] = { value: concat(layers, 'L'), order: ['L', 'B', 'G', 'S', 'D'] };
  }
  return outputs;
}
