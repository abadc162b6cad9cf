/** Hook points under TransformerLens' canonical names, with the axes of each value and the order in which it leaves a program. */

import type { AttentionHooks } from '../attention/layer.ts';

/** Hook points of attention to what an encoder gave: those of attention under `cross_attn`. S marks positions of the memory. */
export type CrossAttentionHooks = {
  readonly [N in keyof AttentionHooks as N extends `attn.${infer Place}`
    ? `cross_attn.${Place}`
    : never]: AttentionHooks[N];
};

/** Hook points inside a block, after `blocks.{i}.`. S marks keys, T queries. */
export interface BlockHooks extends AttentionHooks, CrossAttentionHooks {
  hook_in: 'B' | 'T' | 'M';
  'ln1.hook_out': 'B' | 'T' | 'M';
  hook_resid_mid: 'B' | 'T' | 'M';
  /** What attention to the memory is given, and the residual behind it; only where there is one. */
  'ln_cross.hook_out': 'B' | 'T' | 'M';
  hook_resid_mid_cross: 'B' | 'T' | 'M';
  'ln2.hook_out': 'B' | 'T' | 'M';
  'mlp.hook_pre': 'B' | 'T' | 'F';
  'mlp.hook_post': 'B' | 'T' | 'F';
  /** Router logits of a mixture of experts. */
  'mlp.hook_router': 'B' | 'T' | 'E';
  'mlp.hook_out': 'B' | 'T' | 'M';
  hook_out: 'B' | 'T' | 'M';
}

/** Hook points outside the blocks. */
export interface OuterHooks {
  'embed.hook_out': 'B' | 'T' | 'M';
  'ln_final.hook_in': 'B' | 'T' | 'M';
  'ln_final.hook_out': 'B' | 'T' | 'M';
  'unembed.hook_out': 'B' | 'T' | 'V';
}

export type BlockHook = keyof BlockHooks;
export type OuterHook = keyof OuterHooks;
/** One place of one layer, `blocks.3.attn.hook_pattern`, or outside the blocks. */
export type HookName = `blocks.${number}.${BlockHook}` | OuterHook;
/** A hook name, or the same place in every layer: `blocks.*.attn.hook_pattern`. */
export type HookPattern = HookName | `blocks.*.${BlockHook}`;

export type HookAxes<N extends HookPattern> = N extends OuterHook
  ? OuterHooks[N]
  : N extends `blocks.${number | '*'}.${infer P extends BlockHook}`
    ? BlockHooks[P]
    : never;

const attentionOrders = {
  'attn.q.hook_out': ['B', 'T', 'H', 'D'],
  'attn.k.hook_out': ['B', 'S', 'G', 'D'],
  'attn.v.hook_out': ['B', 'S', 'G', 'D'],
  'attn.hook_rot_q': ['B', 'T', 'H', 'D'],
  'attn.hook_rot_k': ['B', 'S', 'G', 'D'],
  'attn.hook_index_scores': ['B', 'T', 'S'],
  'attn.hook_attn_scores': ['B', 'H', 'T', 'S'],
  'attn.hook_pattern': ['B', 'H', 'T', 'S'],
  'attn.hook_sink': ['B', 'H', 'T'],
  'attn.hook_compressed': ['B', 'H', 'T', 'S'],
  'attn.hook_gate': ['B', 'T', 'H', 'D'],
  'attn.hook_z': ['B', 'T', 'H', 'D'],
  'attn.hook_out': ['B', 'T', 'M'],
} as const satisfies { readonly [P in keyof AttentionHooks]: readonly string[] };

/** The same for attention to the memory. */
const crossOrders = Object.fromEntries(
  Object.entries(attentionOrders).map(([name, order]) => [`cross_${name}`, order]),
) as unknown as { readonly [P in keyof CrossAttentionHooks]: readonly string[] };

/** Order in which captured values leave a program; query heads G and R leave as H. */
export const hookOrders: { readonly [P in BlockHook | OuterHook]: readonly string[] } = {
  hook_in: ['B', 'T', 'M'],
  'ln1.hook_out': ['B', 'T', 'M'],
  ...attentionOrders,
  hook_resid_mid: ['B', 'T', 'M'],
  'ln_cross.hook_out': ['B', 'T', 'M'],
  ...crossOrders,
  hook_resid_mid_cross: ['B', 'T', 'M'],
  'ln2.hook_out': ['B', 'T', 'M'],
  'mlp.hook_pre': ['B', 'T', 'F'],
  'mlp.hook_post': ['B', 'T', 'F'],
  'mlp.hook_router': ['B', 'T', 'E'],
  'mlp.hook_out': ['B', 'T', 'M'],
  hook_out: ['B', 'T', 'M'],
  'embed.hook_out': ['B', 'T', 'M'],
  'ln_final.hook_in': ['B', 'T', 'M'],
  'ln_final.hook_out': ['B', 'T', 'M'],
  'unembed.hook_out': ['B', 'T', 'V'],
};

/** The documented order of a hook point's axes. */
export function hookOrder(name: HookName): readonly string[] {
  return hookOrders[name.replace(/^blocks\.\d+\./, '') as BlockHook | OuterHook];
}

/**
 * TransformerLens' legacy names, accepted wherever a hook name is, as far as they mean the same values in every family
 * (`hook_normalized` does not: there it is taken before the weight of an RMSNorm and after that of a LayerNorm).
 */
const aliases: Readonly<Record<string, BlockHook | OuterHook>> = {
  hook_embed: 'embed.hook_out',
  hook_resid_pre: 'hook_in',
  hook_resid_post: 'hook_out',
  hook_attn_out: 'attn.hook_out',
  hook_mlp_out: 'mlp.hook_out',
  'attn.hook_q': 'attn.q.hook_out',
  'attn.hook_k': 'attn.k.hook_out',
  'attn.hook_v': 'attn.v.hook_out',
};

const isHook = (name: string): name is BlockHook | OuterHook => Object.hasOwn(hookOrders, name);

/** The canonical spelling of a hook name or pattern, or undefined when it names none. */
export function canonicalHook(name: string): HookPattern | undefined {
  const [, layer, place] = /^blocks\.(\d+|\*)\.(.+)$/.exec(name) ?? [undefined, undefined, name];
  const known = isHook(place!) ? place : Object.hasOwn(aliases, place!) ? aliases[place!] : undefined;
  if (known === undefined) return undefined;
  const outer = /^(embed|ln_final|unembed)\./.test(known);
  if (outer !== (layer === undefined)) return undefined;
  return (outer ? known : `blocks.${layer === '*' ? '*' : Number(layer)}.${known}`) as HookPattern;
}

/** Does the pattern name this hook point? */
export function matches(pattern: string, name: string): boolean {
  return pattern === name || pattern === name.replace(/^blocks\.\d+\./, 'blocks.*.');
}
