/** Checked by `tsc` alone: every line under an expected error must fail to compile, all others must compile. */
import type { HookName, HookPattern } from '../../src/models/hook-names.ts';
import type { Edits } from '../../src/models/hooks.ts';
import { multiply, sum } from '../../src/tensor/index.ts';

export const names: HookPattern[] = [
  'blocks.0.attn.hook_pattern',
  'blocks.*.hook_out',
  'embed.hook_out',
  // @ts-expect-error misspelt
  'blocks.0.attn.hook_patern',
  // @ts-expect-error no layer
  'attn.hook_pattern',
  // @ts-expect-error not in blocks
  'blocks.1.embed.hook_out',
];

// @ts-expect-error a pattern is not one place
export const place: HookName = 'blocks.*.hook_out';

export const edits: Edits = {
  'blocks.*.attn.hook_pattern': (pattern) => multiply(pattern, 0.5),
  'blocks.3.attn.hook_z': (z, { layer }) => multiply(z, layer ?? 1),
  // @ts-expect-error the edit loses axis S
  'blocks.0.attn.hook_pattern': (pattern) => sum(pattern, 'S'),
  // @ts-expect-error there is no axis S in the residual stream
  'blocks.0.hook_out': (x) => multiply(x, sum(x, 'S')),
  // @ts-expect-error misspelt
  'blocks.0.attn.hook_zz': (z) => z,
};
