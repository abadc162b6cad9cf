import { z } from 'zod';
import { wholeText } from '../attention/places.ts';
import { chunkedLightning, decayMask } from '../attention/recurrent/lightning.ts';
import type { Keys, Queries, Scores } from '../attention/steps.ts';
import { normal, seededRandom } from '../random.ts';
import type { HostTensor } from '../runtime/backend.ts';
import { dot, input, lower, multiply, type Within } from '../tensor/index.ts';
import type { Node } from '../tensor/tensor.ts';
import type { Experiment } from './experiment.ts';

const settingSchema = z.strictObject({
  form: z.enum(['blocks', 'quadratic']),
  tokens: z.number().int().min(1).max(65_536),
  /** Runs of which the median counts; one more warms up. */
  runs: z.number().int().min(1).max(1000),
});

export type LightningTimeSetting = z.infer<typeof settingSchema>;

const resultSchema = z.strictObject({
  /** Median of the runs. */
  milliseconds: z.number().min(0),
  /** Of all contractions, counted in the graph. */
  multiplyAdds: z.number().int().min(1),
  seconds: z.number().min(0),
});

export type LightningTime = z.infer<typeof resultSchema>;

const [D, block, rate] = [64, 128, 0.05];

/** How long one head of lightning attention takes over a text of random q, k and v, in blocks or as the masked quadratic product. */
export const lightningTime: Experiment<LightningTimeSetting, LightningTime> = {
  name: 'lightning-time',
  version: 1,
  setting: settingSchema,
  result: resultSchema,
  async run({ form, tokens, runs }, seed, { runtime, signal, progress }) {
    const started = performance.now();
    const output = headOf(form, tokens);
    const program = await runtime.compile(lower({ output: { value: output } }, { weights: 'inputs' }));
    const draw = normal(seededRandom(seed));
    const feed = (shape: readonly number[]): HostTensor => ({
      ...{ type: 'float32' as const, shape },
      data: Float32Array.from({ length: tokens * D }, draw),
    });
    const feeds = { q: feed([1, tokens, 1, 1, D]), k: feed([1, tokens, 1, D]), v: feed([1, tokens, 1, D]) };
    const times: number[] = [];
    for (let i = 0; i <= runs; i++) {
      signal?.throwIfAborted();
      const start = performance.now();
      await program.run(feeds);
      if (i > 0) times.push(performance.now() - start);
      progress?.(i / runs);
    }
    times.sort((a, b) => a - b);
    return {
      milliseconds: times[times.length >> 1]!,
      multiplyAdds: multiplyAdds(output),
      seconds: (performance.now() - started) / 1000,
    };
  },
};

function headOf(form: LightningTimeSetting['form'], T: number): Within<string> {
  const q: Queries = input('q', { B: 1, T, G: 1, R: 1, D });
  const [k, v]: [Keys, Keys] = [input('k', { B: 1, S: T, G: 1, D }), input('v', { B: 1, S: T, G: 1, D })];
  if (form === 'blocks') return chunkedLightning(q, k, v, [rate], block);
  return dot(multiply(dot(q, k, 'D'), decayMask([rate], wholeText(T))) as Scores, v, 'S');
}

function multiplyAdds({ node: root }: Within<string>): number {
  const seen = new Set<Node>([root]);
  let total = 0;
  for (const node of seen) {
    for (const next of node.inputs) seen.add(next);
    if (node.operator.name !== 'dot') continue;
    const axes = new Map(node.inputs.flatMap((operand) => [...operand.axes]));
    total += [...axes.values()].reduce((product, size) => product * size.constant!, 1);
  }
  return total;
}
