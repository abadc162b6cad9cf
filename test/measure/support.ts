import { openLocal } from '../../src/load/open-local.ts';
import type { TokenInfo } from '../../src/load/token-roles.ts';
import type { ScanInput } from '../../src/measure/scan.ts';
import { createModel, type Model, replaced } from '../../src/models/model.ts';
import { llamaBlock } from '../../src/models/parts/llama-block.ts';
import { run } from '../../src/models/run.ts';
import { readsTokens } from '../../src/models/stack.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { bundled } from '../fixtures.ts';

type Change = (name: string, values: Float32Array<ArrayBuffer>) => Float32Array<ArrayBuffer>;

/** A bundled model on one thread, its weights changed as they are read, its configuration with some keys replaced. */
export async function openBundled(family: string, change: Change = (_, values) => values, config = {}): Promise<Model> {
  const stored = await openLocal(bundled(`families/${family}`));
  const checkpoint = {
    config: { ...stored.config, ...config },
    tensors: stored.tensors,
    provenance: stored.provenance,
    read: async (name: string) => change(name, await stored.read(name)),
    readBytes: (name: string) => stored.readBytes(name),
    files: () => stored.files(),
    close: () => stored.close(),
  };
  return createModel({ checkpoint, runtime: nodeRuntime({ threads: 1 }) });
}

/** The bundled Llama with attention in both directions, without positions, in windows where given. */
export function bidirectional(model: Model, windows: readonly (number | undefined)[] = []): Model {
  const { stack } = model;
  if (!readsTokens(stack)) throw new Error('the fixture reads no tokens');
  const F = Number(model.checkpoint.config.intermediate_size);
  const blocks = stack.blocks.map((_, layer) =>
    llamaBlock({
      at: (name) => `model.layers.${layer}.${name}`,
      sizes: { ...stack.sizes, F },
      ...{ epsilon: 1e-6, rotary: undefined, activation: 'silu', causal: false },
      window: windows[layer],
    }),
  );
  return replaced(model, { stack: { ...stack, causal: false, blocks } });
}

/** Ids below 97, the smallest vocabulary of the fixtures; another text for each seed. */
export const ids = (length: number, seed = 0) =>
  Array.from({ length }, (_, i) => (i * (7 + 2 * seed) + i * i * (seed + 1) + 11 * seed + 3) % 97);

export const tokensOf = (page: readonly number[]): TokenInfo[] =>
  page.map((id, position) => ({
    position,
    id,
    text: `t${id}`,
    role: position === 0 ? 'first' : 'text',
    class: 'letter',
  }));

export const inputOf = (page: readonly number[], texts?: readonly (readonly number[])[]): ScanInput => ({
  page,
  tokens: tokensOf(page),
  ...(texts ? { texts } : {}),
});

/** What one text's layers hold, captured from the whole graph: the definition that scans are compared with. */
export interface Captured {
  /** [L][H, T, S] */
  readonly pattern: ArrayLike<number>[];
  /** [L][T, M] after each block. */
  readonly residual: ArrayLike<number>[];
  /** [L][T, H, D], [L][S, G, D], [L][S, G, D]: after RoPE. */
  readonly q: ArrayLike<number>[];
  readonly k: ArrayLike<number>[];
  readonly v: ArrayLike<number>[];
  /** [L][H, T]; undefined for layers without a learned sink. */
  readonly sink: (ArrayLike<number> | undefined)[];
}

const hooks = {
  pattern: 'attn.hook_pattern',
  residual: 'hook_out',
  q: 'attn.hook_rot_q',
  k: 'attn.hook_rot_k',
  v: 'attn.v.hook_out',
  sink: 'attn.hook_sink',
} as const;

export async function capture(model: Model, text: readonly number[]): Promise<Captured> {
  const wanted = Object.values(hooks).filter((hook) => hook !== 'attn.hook_sink' || model.stack.blocks[0]!.learnedSink);
  const { captured } = await run(
    model,
    { ids: [[...text]] },
    { capture: wanted.map((hook) => `blocks.*.${hook}` as const), logits: false },
  );
  const layers = (hook: (typeof hooks)[keyof typeof hooks]) =>
    model.stack.blocks.map((_, l) => captured.get(`blocks.${l}.${hook}`)?.data as ArrayLike<number>);
  return {
    pattern: layers(hooks.pattern),
    residual: layers(hooks.residual),
    q: layers(hooks.q),
    k: layers(hooks.k),
    v: layers(hooks.v),
    sink: layers(hooks.sink),
  };
}

/** Σ_t A_tk / number of queries t ≥ `from` that see key k, for each head, in plain loops; 0 where there are none. `both`: in both directions. */
export function naiveMeans(
  pattern: ArrayLike<number>,
  H: number,
  T: number,
  k: number,
  window: number | undefined,
  from: number,
  both = false,
) {
  return Array.from({ length: H }, (_, h) => {
    let sum = 0;
    let queries = 0;
    for (let t = from; t < T; t++) {
      if ((both ? Math.abs(t - k) : t - k) >= (window ?? T) || (!both && t < k)) continue;
      sum += pattern[(h * T + t) * T + k]!;
      queries++;
    }
    return queries > 0 ? sum / queries : 0;
  });
}

export const mean = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0) / values.length;

/** Largest |a − b| / max(1, |b|) over nested lists of numbers; infinite for other shapes or NaN. */
export function off(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') {
    const difference = Math.abs(a - b) / Math.max(1, Math.abs(b));
    return Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
  }
  if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return Number.POSITIVE_INFINITY;
  return Math.max(0, ...a.map((value, i) => off(value, b[i])));
}
