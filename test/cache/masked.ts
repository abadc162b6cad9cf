import type { Model } from '../../src/models/model.ts';
import { run } from '../../src/models/run.ts';
import { add, constant, gather, iota, size } from '../../src/tensor/index.ts';

/** Logits of every token with keys masked head by head: −∞ where `sees` does not hold. */
export async function masked(
  model: Model,
  ids: readonly number[],
  sees: (layer: number, g: number, t: number, s: number) => boolean,
) {
  const { G, H } = model.decoder.sizes;
  const [R, T] = [H / G, ids.length];
  const { logits } = await run(
    model,
    { ids: [ids] },
    {
      edit: {
        'blocks.*.attn.hook_attn_scores': (scores, { layer }) => {
          const mask = new Array<number>(G * R * T * T);
          for (let i = 0; i < mask.length; i++) {
            const [g, t, s] = [Math.floor(i / (R * T * T)), Math.floor(i / T) % T, i % T];
            mask[i] = sees(layer!, g, t, s) ? 0 : Number.NEGATIVE_INFINITY;
          }
          const all = constant(mask, { G, R, N: T, K: T });
          const rows = gather(all, iota('T', size(scores, 'T')), 'N');
          return add(scores, gather(rows, iota('S', size(scores, 'S')), 'K'));
        },
      },
    },
  );
  const V = model.decoder.sizes.V;
  return ids.map((_, t) => (logits!.data as Float32Array).slice(t * V, (t + 1) * V));
}
