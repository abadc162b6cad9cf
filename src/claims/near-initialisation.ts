import { z } from 'zod';
import { headNorm } from '../attention/gates/head-norm.ts';
import { layerWithSteps } from '../attention/layer-with-steps.ts';
import type { Mechanism } from '../attention/mechanism.ts';
import { headWiseRmsNorm } from '../attention/mechanisms/head-wise-rms-norm.ts';
import { softmaxAttention } from '../attention/mechanisms/softmax.ts';
import { softmaxSteps } from '../attention/normalisers/softmax.ts';
import { wholeText } from '../attention/places.ts';
import type { Queries } from '../attention/steps.ts';
import { logits } from '../models/forward.ts';
import { createHooks } from '../models/hooks.ts';
import { seededRandom, seedFor } from '../random.ts';
import {
  absolute,
  add,
  and,
  divide,
  equal,
  highest,
  input,
  mean,
  multiply,
  not,
  pick,
  select,
  slice,
  subtract,
  sum,
  type Tensor,
  type Within,
} from '../tensor/index.ts';
import { adamW } from '../train/optimizers/adamw.ts';
import { smallDecoder } from '../train/small-decoder.ts';
import { initialState } from '../train/state.ts';
import { initialOf } from '../train/toys/initial.ts';
import { compileValues } from '../train/values.ts';
import type { Experiment } from './experiment.ts';

/** The token that is made to see itself alone. */
export const alone = 10;
/** Few words would share a mean that the norm brings forward: values should be nearly independent. */
const [T, L, H, M, V] = [32, 2, 4, 64, 256];

const arms = {
  softmax: softmaxAttention,
  'head-wise RMSNorm': () => headWiseRmsNorm(),
  'one token alone': selfOnly,
} as const;

const settingSchema = z.strictObject({
  attention: z.enum(Object.keys(arms) as [keyof typeof arms, ...(keyof typeof arms)[]]),
  /** Texts of random tokens. */
  texts: z.number().int().min(2).max(65_536),
});

export type NearInitialisationSetting = z.infer<typeof settingSchema>;

const real = z.number();
const resultSchema = z.strictObject({
  /** For each position, variance over texts of a component of a head's output (normed, where it is) in the first layer, mean over components and heads. */
  variance: z.array(real).length(T),
  /** For each position, Σ a² over the keys, mean over texts and heads of the first layer. */
  squares: z.array(real).length(T),
  /** Embeddings, then behind each block: mean over texts and positions of max |h| over mean |h| (DomRatio). */
  dominance: z.array(real).length(L + 1),
  /** For each layer, attention of the later queries to the token that is alone in one arm, mean over heads. */
  attention: z.array(real).length(L),
});

export type NearInitialisation = z.infer<typeof resultSchema>;

/** What an untrained decoder of two layers does with random tokens (2605.06611): nothing is learnt. */
export const nearInitialisation: Experiment<NearInitialisationSetting, NearInitialisation> = {
  name: 'near-initialisation',
  version: 1,
  setting: settingSchema,
  result: resultSchema,
  async run({ attention, texts }, seed, { runtime }) {
    const mechanism = arms[attention]();
    const decoder = smallDecoder({ sizes: { L, H, M, V, F: 4 * M }, context: T, mechanism });
    const ids = input('ids', { B: 'B', T }, 'int64');
    const seen = new Map<string, Tensor<string>>();
    const scores = logits(
      decoder,
      ids,
      wholeText(T),
      createHooks({
        watched: true,
        reads: (name) => /^(embed\.hook_out|blocks\.\d+\.(attn\.hook_pattern|attn\.hook_z|hook_out))$/.test(name),
        read: (name, value) => void seen.set(name, value),
      }),
    );
    const at = <A extends string>(name: string) => seen.get(name) as unknown as Tensor<A>;
    const task = { loss: mean(scores, ['B', 'T', 'V']) as Tensor<never>, initial: initialOf(mechanism) };
    const { parameters } = initialState(task, adamW(), seed);
    const layers = Array.from({ length: L }, (_, i) => `blocks.${i}`);
    const streams = ['embed.hook_out', ...layers.map((layer) => `${layer}.hook_out`)].map(at<'B' | 'T' | 'M'>);
    const patterns = layers.map((layer) => at<'B' | 'G' | 'R' | 'T' | 'S'>(`${layer}.attn.hook_pattern`));
    const z = at<'B' | 'T' | 'G' | 'R' | 'D'>('blocks.0.attn.hook_z');
    const values = await compileValues(runtime, {
      variance: varianceOverTexts(attention === 'head-wise RMSNorm' ? normed(z) : z),
      squares: mean(sum(multiply(patterns[0]!, patterns[0]!), 'S'), ['B', 'G', 'R']),
      ...Object.fromEntries(streams.map((stream, i) => [`dominance${i}`, mean(dominance(stream), ['B', 'T'])])),
      ...Object.fromEntries(patterns.map((pattern, i) => [`attention${i}`, laterAttention(pattern)])),
    } as Record<string, Within<string>>);
    const random = seededRandom(seedFor(seed, 'texts'));
    const drawn = BigInt64Array.from({ length: texts * T }, () => BigInt(Math.floor(random() * V)));
    const found = await values.run(parameters, { ids: { type: 'int64', shape: [texts, T], data: drawn } });
    const numbers = (name: string) => Array.from(found[name]!.data as Float32Array);
    return {
      variance: numbers('variance'),
      squares: numbers('squares'),
      dominance: streams.flatMap((_, i) => numbers(`dominance${i}`)),
      attention: patterns.flatMap((_, i) => numbers(`attention${i}`)),
    };
  },
};

/** As the first layer norms its head outputs: the hook point is before the norm. */
const normed = (z: Queries) =>
  headNorm(z, 'model.layers.0.self_attn.head_norm', { H, G: H, D: M / H, M }, { epsilon: 1e-5, scale: 'shared' });

/** Over texts for each component, not over the components of one vector: those have means of their own. */
function varianceOverTexts(z: Queries): Tensor<'T'> {
  const apart = subtract(z, mean(z, 'B'));
  return mean(multiply(apart, apart), ['B', 'G', 'R', 'D']);
}

function dominance(stream: Tensor<'B' | 'T' | 'M'>): Tensor<'B' | 'T'> {
  const size = absolute(stream);
  return divide(highest(size, 'M'), mean(size, 'M'));
}

/** Without the token's own row, which the arm sets to one by hand. */
const laterAttention = (pattern: Tensor<'B' | 'G' | 'R' | 'T' | 'S'>): Tensor<never> =>
  mean(slice(pick(pattern, 'S', alone), 'T', alone + 1, T), ['B', 'G', 'R', 'T']) as Tensor<never>;

/** Softmax attention in which one token, in all layers, sees itself alone; nothing else changes. */
function selfOnly(): Mechanism {
  return {
    name: 'softmax, one token alone',
    source: '2605.06611',
    rows: 'one',
    attention: (site) =>
      layerWithSteps(site, (options) => {
        const { fused: _, mask, ...steps } = softmaxSteps(options);
        return {
          ...steps,
          mask(scores, places) {
            const others = and(equal(places.queries, alone), not(equal(places.keys, alone))) as Tensor<'T' | 'S'>;
            return add(mask(scores, places), select(others, Number.NEGATIVE_INFINITY, 0) as Tensor<'T' | 'S'>);
          },
        };
      }),
  };
}
