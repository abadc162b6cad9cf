import type { AttentionHook, AttentionTap } from '../attention/layer.ts';
import { InputError } from '../error.ts';
import { mark, type Tensor } from '../tensor/index.ts';
import {
  type BlockHook,
  type BlockHooks,
  canonicalHook,
  type HookAxes,
  type HookName,
  type HookPattern,
  matches,
  type OuterHook,
  type OuterHooks,
} from './hook-names.ts';

/** Where an edit is applied. */
export interface HookPlace {
  readonly name: HookName;
  /** Block index, or undefined outside the blocks. */
  readonly layer: number | undefined;
}

/** A function on the symbolic value of a hook point; its result takes the value's place. */
export type Edit<A extends string> = (value: Tensor<A>, place: HookPlace) => Tensor<A>;

/** Edits by hook name or pattern. Several patterns that name one place apply in the order of the keys. */
export type Edits = { readonly [N in HookPattern]?: Edit<HookAxes<N>> };

/** Gives names to values while a model function runs: reads and edits happen here. */
export interface Hooks {
  block(layer: number): BlockTap;
  outer<N extends OuterHook>(name: N, value: Tensor<OuterHooks[N]>): Tensor<OuterHooks[N]>;
}

/** The hook points of one block. */
export interface BlockTap extends AttentionTap {
  <N extends Exclude<BlockHook, AttentionHook>>(name: N, value: Tensor<BlockHooks[N]>): Tensor<BlockHooks[N]>;
  /** Is any of these read or edited? Then they must be values of their own in the graph. */
  watched(...names: BlockHook[]): boolean;
}

export interface HookOptions {
  readonly edit?: Edits;
  /** Called with every value (after edits) that is passed. */
  readonly read?: (name: HookName, value: Tensor<string>, place: HookPlace) => void;
  /** Which hook points `read` needs. Default: none. */
  readonly reads?: (name: HookName) => boolean;
  /** Keep every step of attention a value of its own, so that all can be differentiated. Default false: only where one is read or edited. */
  readonly watched?: boolean;
}

/** Hooks that apply edits and report values. Throws an InputError for a name that is no hook point. */
export function createHooks({ edit = {}, read, reads = () => false, watched = false }: HookOptions = {}): Hooks {
  const edits = Object.entries(edit).map(([pattern, change]) => {
    const name = canonicalHook(pattern);
    if (name === undefined) throw new InputError(`edit: "${pattern}" is not a hook point; \`sinklab info\` lists them`);
    return [name, change as Edit<string>] as const;
  });
  const tap = (name: HookName, layer: number | undefined, value: Tensor<string>): Tensor<string> => {
    const place = { name, layer };
    for (const [pattern, change] of edits)
      if (matches(pattern, name)) value = checked(change(value, place), value, name);
    if (!reads(name)) return value;
    // A node of its own, or a gradient there would include paths around the hook point.
    const point = mark(value);
    read?.(name, point, place);
    return point;
  };
  return {
    block(layer) {
      const at = ((name: BlockHook, value: Tensor<string>) =>
        tap(`blocks.${layer}.${name}`, layer, value)) as unknown as BlockTap;
      at.watched = (...names) =>
        watched ||
        names.some((hook) => {
          const name: HookName = `blocks.${layer}.${hook}`;
          return reads(name) || edits.some(([pattern]) => matches(pattern, name));
        });
      return at;
    },
    outer: (name, value) => tap(name, undefined, value as unknown as Tensor<string>) as never,
  };
}

/** An edit must give back the axes it was given. */
function checked(after: Tensor<string>, before: Tensor<string>, name: string): Tensor<string> {
  const axes = (tensor: Tensor<string>) => [...tensor.node.axes.keys()].sort().join(' ');
  if (!after?.node || axes(after) !== axes(before))
    throw new InputError(
      `edit ${name}: expected a tensor with axes ${axes(before)}, got ${after?.node ? axes(after) : typeof after}`,
    );
  return after;
}
