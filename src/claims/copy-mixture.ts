import { z } from 'zod';
import { goat } from '../attention/mechanisms/goat.ts';
import { softmaxAttention } from '../attention/mechanisms/softmax.ts';
import { additive, causalMask, wholeText } from '../attention/places.ts';
import { goatPrior } from '../attention/positions/goat-prior.ts';
import { lags } from '../attention/positions/position-bias.ts';
import { seededRandom, seedFor } from '../random.ts';
import { add, mean, pick, slice, softmax, type Tensor } from '../tensor/index.ts';
import { copyMixture, firstLookedAt, copyMixtureLength as T } from '../train/toys/copy-mixture.ts';
import { compileValues } from '../train/values.ts';
import { toyExperiment } from './toy-experiment.ts';

/** The prior is added to the scores, so that what content alone says can be seen. */
const arms = {
  learned: () => goat({ form: 'explicit' }),
  frozen: () => goat({ start: 'frozen' }),
  RoPE: softmaxAttention,
} as const;

const settingSchema = z.strictObject({
  /** A learned prior, one that stays zero, or none but RoPE. */
  prior: z.enum(Object.keys(arms) as [keyof typeof arms, ...(keyof typeof arms)[]]),
  /** Share of the toy's own steps. */
  share: z.number().positive().max(10),
  /** Texts that nothing is learnt from. */
  heldOut: z.number().int().min(1).max(4096),
});

export type CopyMixtureSetting = z.infer<typeof settingSchema>;

/**
 * Copy mixture with and without a learned prior (2601.15380). After training, on held-out texts: heldOutLoss, heldOutFirst and
 * heldOutFirstByScores (attention to the first token; by the scores without the prior); with a learned prior also firstByPrior, the softmax
 * of K alone.
 */
export const copyMixtureExperiment = toyExperiment<CopyMixtureSetting>({
  name: 'copy-mixture',
  version: 1,
  setting: settingSchema,
  toy: ({ prior, share }) => ({ toy: copyMixture({ mechanism: arms[prior]() }), share }),
  async after({ prior, heldOut }, { parameters }, { runtime }) {
    const toy = copyMixture({ mechanism: arms[prior]() });
    const { metrics = {} } = toy.task();
    const { languageLoss, first, firstByScores } = metrics;
    const values = await compileValues(runtime, {
      heldOutLoss: languageLoss!,
      heldOutFirst: first!,
      heldOutFirstByScores: firstByScores!,
    });
    const found = await values.run(parameters, toy.sample(seededRandom(seedFor(0, 'held out')), heldOut));
    const alone =
      prior === 'learned'
        ? await (await compileValues(runtime, { firstByPrior: firstByPrior() })).run(parameters, {})
        : {};
    return Object.fromEntries(
      Object.entries({ ...found, ...alone }).map(([name, { data }]) => [name, Number(data[0])]),
    );
  },
});

/** Attention to the first token if content said nothing: softmax of K over the keys that a query sees. */
function firstByPrior(): Tensor<never> {
  const places = wholeText(T);
  const prior = goatPrior((name) => name.replace('self_attn.', 'attn.'), { G: 1, context: T }, priorOptions);
  const K = add(prior.relative(lags(places)) as Tensor<string>, prior.sink(places.keyPositions) as Tensor<string>);
  const seen = add(K, additive(causalMask(places) as never)) as unknown as Tensor<'T' | 'S' | 'G'>;
  return mean(slice(pick(softmax(seen, 'S'), 'S', 0), 'T', firstLookedAt, T), ['T', 'G']) as Tensor<never>;
}

/** What the mechanism has by default in a head of this width. */
const priorOptions = { relative: { rank: 4 }, sink: {} } as const;
