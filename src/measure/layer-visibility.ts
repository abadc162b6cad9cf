import type { Setting } from './measurement.ts';
import { type UniformAttention, uniformAttention } from './uniform.ts';
import type { Visibility } from './visibility.ts';

/** Who sees whom in one layer of a setting. */
export function visibilityOf(
  { tokens: T, keys: S = T, windows, causal = true }: Pick<Setting, 'tokens' | 'keys' | 'windows' | 'causal'>,
  layer: number,
): Visibility {
  return { T, S, window: windows[layer]!, causal };
}

/** [L] uniform attention, null for layers without a pattern; layers of one window share theirs. */
export function uniformByLayer(
  setting: Pick<Setting, 'tokens' | 'keys' | 'windows' | 'causal' | 'hasPattern'>,
): (UniformAttention | null)[] {
  const byWindow = new Map<number | null, UniformAttention>();
  return setting.windows.map((window, layer) => {
    if (setting.hasPattern?.[layer] === false) return null;
    const known = byWindow.get(window) ?? uniformAttention(visibilityOf(setting, layer));
    byWindow.set(window, known);
    return known;
  });
}

/** Layers of a setting that have an attention pattern. */
export function patternLayers({ windows, hasPattern }: Pick<Setting, 'windows' | 'hasPattern'>): number[] {
  return windows.flatMap((_, layer) => (hasPattern?.[layer] === false ? [] : [layer]));
}
