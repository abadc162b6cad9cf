import { z } from 'zod';
import type { HeadSizes } from '../attention/projections.ts';
import { resolveBudget } from '../attention/selection/head-budget.ts';
import type { HeadChoice } from '../attention/selection/head-choice.ts';
import { queryNormGates } from '../attention/selection/head-router.ts';
import type { AttentionGiven, Queries } from '../attention/steps.ts';
import { InputError } from '../error.ts';
import { protocolTexts } from '../load/prompts.ts';
import type { Edit, Edits } from '../models/hooks.ts';
import { loss } from '../models/loss.ts';
import { iota, multiply, size } from '../tensor/index.ts';
import type { Experiment } from './experiment.ts';
import { corpusOf, foundModel, type MeasuredModel, measuredModel, modelName, withModel } from './model-at-hand-node.ts';

const settingSchema = z.strictObject({
  model: modelName,
  /** Texts whose loss is taken, and tokens of each. */
  texts: z.number().int().min(1).max(1000),
  tokens: z.number().int().min(8).max(4096),
});

export type QueryNormHeadsSetting = z.infer<typeof settingSchema>;

const choices = ['top', 'noise', 'bottom'] as const;

/**
 * A trained model with three quarters of its heads, untuned: the first half of the heads of a layer always, a quarter of all by the norms of
 * their queries, at random, or by the lowest norms. loss in nats, and what each choice adds to it: top, noise, bottom.
 */
export const queryNormHeads: Experiment<QueryNormHeadsSetting, MeasuredModel> = {
  name: 'query-norm-heads',
  version: 1,
  setting: settingSchema,
  result: measuredModel,
  keeps: foundModel,
  run: ({ model: name, texts, tokens }, seed, context) =>
    withModel(name, context, async (model, tokenizer) => {
      const { ids } = protocolTexts(corpusOf(seed), tokenizer, { texts, tokens });
      let done = 0;
      const lossWith = async (edit: Edits) => {
        let total = 0;
        for (const text of ids) {
          total += (await loss(model, { ids: [text] }, { edit })).mean;
          context.progress?.(++done / ((choices.length + 1) * ids.length));
        }
        return total / ids.length;
      };
      const plain = await lossWith({});
      const values: Record<string, number> = { loss: plain };
      for (const choice of choices) values[choice] = (await lossWith(routedHeads(model.decoder.sizes, choice))) - plain;
      return values;
    }),
};

/** Edits that multiply what each head gives by its gate, 1 or 0. All queries of a text at once: noise is drawn by the place in the text. */
export function routedHeads(sizes: HeadSizes, choice: HeadChoice): Edits {
  const budget = resolveBudget({ sharedShare: 0.5, activeShare: 0.25 }, sizes.H);
  const seen = new Map<number, Queries>();
  const remember: Edit<'B' | 'T' | 'G' | 'R' | 'D'> = (q, { layer }) => {
    seen.set(layer!, q);
    return q;
  };
  const gated: Edit<'B' | 'T' | 'G' | 'R' | 'D'> = (z, { layer = 0 }) => {
    const q = seen.get(layer);
    if (!q) throw new InputError(`query-norm heads: layer ${layer} gave out before it had queries`);
    const places = { queries: iota('T', size(q, 'T')) };
    // The router reads queries, places, and of the layer's input its sizes alone.
    const given = { x: q, q, places } as unknown as AttentionGiven;
    return multiply(z, queryNormGates(given, sizes, budget, { choice, layer }).gate);
  };
  return { 'blocks.*.attn.q.hook_out': remember, 'blocks.*.attn.hook_z': gated };
}
