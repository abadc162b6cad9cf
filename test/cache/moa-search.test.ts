import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { wholeText } from '../../src/attention/places.ts';
import type { Scores } from '../../src/attention/steps.ts';
import { DecodingEngine } from '../../src/cache/engine.ts';
import { attentionInfluence } from '../../src/cache/moa/influence.ts';
import { paretoSpans, undominated } from '../../src/cache/moa/pareto.ts';
import { chosenPlan, uniformPlan } from '../../src/cache/moa/plan.ts';
import { lostInfluence, randomProblem, type SpanProblem, spanProblem } from '../../src/cache/moa/problem.ts';
import { profileInfluence } from '../../src/cache/moa/profile.ts';
import { type SpanSolution, solution, solveSpans } from '../../src/cache/moa/solve.ts';
import { loadSolver } from '../../src/cache/moa/solver-node.ts';
import { bestPlan, responseLoss } from '../../src/cache/moa/validate.ts';
import { full } from '../../src/cache/policies/full.ts';
import { hidden } from '../../src/models/forward.ts';
import { createHooks } from '../../src/models/hooks.ts';
import { load } from '../../src/models/load-node.ts';
import type { Model } from '../../src/models/model.ts';
import { run } from '../../src/models/run.ts';
import { seededRandom } from '../../src/random.ts';
import {
  add,
  crossEntropy,
  divide,
  gather,
  input,
  lower,
  mean,
  multiply,
  rename,
  subtract,
  sum,
} from '../../src/tensor/index.ts';
import { evaluate, given } from '../attention/evaluate.ts';
import { bundled } from '../fixtures.ts';
import { open, someIds } from '../models/support.ts';

describe('attention influence', () => {
  it('is what a linear loss gains when an entry is taken away, as worked out by hand and by differences', async () => {
    const [A, G] = [
      [0.5, 0.3, 0.2],
      [1, 0, -1],
    ];
    // The first query has one key; the third has the row of the card.
    const rows = [1, 0, 0, 0.5, 0.5, 0, ...A!];
    const axes = { B: 1, G: 1, R: 1, T: 3, S: 3 };
    const pattern = given('pattern', axes, rows);
    const gradient = given('gradient', axes, [2, 1, 1, 0.5, 1, 0, ...G!]);
    const value = attentionInfluence(pattern.tensor as never, gradient.tensor as never);
    const { found } = await evaluate({ found: { value, order: ['B', 'G', 'R', 'T', 'S'] } }, [pattern, gradient]);
    const before = A!.reduce((loss, a, i) => loss + a * G![i]!, 0);
    const differences = A!.map((_, j) => {
      const rest = A!.map((a, i) => (i === j ? 0 : a / (1 - A![j]!)));
      return rest.reduce((loss, a, i) => loss + a * G![i]!, 0) - before;
    });
    [-0.7, 9 / 70, 0.325].forEach((expected, j) => {
      expect(differences[j]).toBeCloseTo(expected, 12);
      expect(found![6 + j]).toBeCloseTo(expected, 6);
    });
    expect(found![0]).toBe(-2);
  });
});

/** Loss of a text's response with one entry of attention taken away to an extent of `scale`: 0 not at all, 1 wholly. */
async function lossWithout(model: Model, layer: number, ids: readonly number[], response: number) {
  const { H, G } = model.decoder.sizes;
  const [R, T] = [H / G, ids.length];
  const chosen = input('chosen', { G, R, T: 'T', S: 'T' });
  const hooks = createHooks({
    watched: true,
    edit: {
      [`blocks.${layer}.attn.hook_pattern`]: (pattern: Scores) => {
        const taken = multiply(pattern, chosen);
        const rest = divide(subtract(pattern, taken), subtract(1, sum(taken, 'S')));
        return add(pattern, multiply(input('scale', {}), subtract(rest, pattern)));
      },
    } as never,
  });
  const stream = hidden(model.decoder, input('ids', { B: 'B', T: 'T' }, 'int64'), wholeText('T'), hooks);
  const rows = rename(gather(stream, input('rows', { N: 'N' }, 'int64'), 'T'), 'N', 'T');
  const targets = input('targets', { B: 'B', T: 'N' }, 'int64');
  const value = mean(crossEntropy(model.decoder.unembed(rows), targets, 'V'), ['B', 'T']);
  const program = await model.runtime.compile(lower({ loss: { value } }, { weights: 'inputs' }));
  const weights = await Promise.all(
    program.graph.weights.map(async ({ input: name, weight }) => [
      name,
      { type: 'float32' as const, shape: model.weightShapes.get(weight)!, data: await model.weights.get(weight) },
    ]),
  );
  const int64 = (shape: number[], values: readonly number[]) => ({
    ...{ type: 'int64' as const, shape, data: BigInt64Array.from(values, BigInt) },
  });
  const next = ids.slice(response);
  return async (head: number, t: number, s: number, scale: number) => {
    const data = new Float32Array(H * T * T);
    data[(head * T + t) * T + s] = 1;
    const { loss } = await program.run({
      ...Object.fromEntries(weights),
      ids: int64([1, T], ids),
      rows: int64(
        [next.length],
        next.map((_, i) => response - 1 + i),
      ),
      targets: int64([1, next.length], next),
      chosen: { type: 'float32', shape: [G, R, T, T], data },
      scale: { type: 'float32', shape: [], data: Float32Array.of(scale) },
    });
    return loss!.data[0] as number;
  };
}

describe('a profile', () => {
  it('is the slope of the true loss where one entry is taken away', async () => {
    await using model = await load(fileURLToPath(new URL('../../models/books-6m', import.meta.url)));
    const text = 'The old man looked at the sea, and the sea looked back at the old man.';
    const ids = model.tokenizer!.encode(text).slice(0, 16);
    const [T, response, layer] = [ids.length, 6, 2];
    const { influence, loss } = await profileInfluence(model, [{ ids, response }], { block: 1 });
    const without = await lossWithout(model, layer, ids, response);
    expect(await without(0, 5, 1, 0)).toBeCloseTo(loss, 5);
    const entries = influence[layer]!.flatMap((sums, head) =>
      Array.from(sums, (value, at) => ({ head, t: Math.floor(at / T), s: at % T, value })),
    );
    const strongest = entries
      .filter(({ t }) => t > 0)
      .sort((a, b) => Math.abs(b.value) - Math.abs(a.value))
      .slice(0, 12);
    for (const { head, t, s, value } of strongest) {
      const slope = ((await without(head, t, s, 0.1)) - (await without(head, t, s, -0.1))) / 0.2;
      expect(Math.abs(slope - value)).toBeLessThan(0.002 * Math.abs(value) + 1e-5);
      // Taken away wholly, the loss goes the same way.
      expect(Math.sign((await without(head, t, s, 1)) - loss)).toBe(Math.sign(value));
    }
    const { captured } = await run(model, { ids: [ids] }, { capture: [`blocks.${layer}.attn.hook_pattern`] });
    const pattern = [...captured.values()][0]!.data as Float32Array;
    const weak = entries
      .filter(({ head, t, s }) => t > 0 && pattern[(head * T + t) * T + s]! < 0.05)
      .sort((a, b) => Math.abs(b.value) - Math.abs(a.value))
      .slice(0, 10);
    for (const { head, t, s, value } of weak)
      expect(Math.abs((await without(head, t, s, 1)) - loss - value)).toBeLessThan(0.1 * Math.abs(value) + 1e-5);
    // Nothing is seen of what comes after a query, or beside the response.
    expect(entries.filter(({ t, s }) => s > t).every(({ value }) => value === 0)).toBe(true);
    expect(entries.filter(({ t }) => t === T - 1).every(({ value }) => value === 0)).toBe(true);
  });

  it('adds up entries by blocks, over query heads and texts', async () => {
    await using model = await open(bundled('families/llama'));
    const texts = [1, 2].map((seed) => ({ ids: someIds(11, seed), response: 4 }));
    const fine = await profileInfluence(model, texts, { block: 1 });
    const coarse = await profileInfluence(model, texts, { block: 4 });
    const alone = await Promise.all(texts.map((text) => profileInfluence(model, [text], { block: 1 })));
    expect(coarse.influence[0]![0]).toHaveLength(9);
    let largest = 0;
    fine.influence.forEach((heads, layer) => {
      heads.forEach((sums, head) => {
        const blocks = new Float64Array(9);
        sums.forEach((value, at) => {
          const mean = (alone[0]!.influence[layer]![head]![at]! + alone[1]!.influence[layer]![head]![at]!) / 2;
          expect(Math.abs(value - mean)).toBeLessThan(1e-9);
          blocks[Math.floor(at / 11 / 4) * 3 + Math.floor((at % 11) / 4)]! += value;
        });
        largest = Math.max(largest, ...blocks.map(Math.abs));
        blocks.forEach((value, at) => {
          expect(Math.abs(coarse.influence[layer]![head]![at]! - value)).toBeLessThan(1e-7);
        });
      });
    });
    expect(largest).toBeGreaterThan(1e-5);
    const unsigned = await profileInfluence(model, texts, { block: 4, absolute: true });
    unsigned.influence.flat().forEach((sums, head) => {
      sums.forEach((value, at) => {
        expect(value).toBeGreaterThanOrEqual(Math.abs(coarse.influence.flat()[head]![at]!) - 1e-7);
      });
    });
  });

  it('refuses texts of other lengths, and without a response', async () => {
    await using model = await open(bundled('families/llama'));
    const profile = (...texts: [number, number][]) =>
      profileInfluence(
        model,
        texts.map(([length, response]) => ({ ids: someIds(length), response })),
      );
    await expect(profile([8, 4], [9, 4])).rejects.toThrow(
      'moa: expected all texts of one profile to have 8 tokens, text 1 has 9',
    );
    await expect(profile([8, 8])).rejects.toThrow('text 0: expected its response to start from 1 to 7, got 8');
    await expect(profile()).rejects.toThrow('expected at least one text of calibration');
  });

  it('says what a band loses: all causal blocks outside it but those of the sinks', () => {
    const sums = Float64Array.from({ length: 16 }, (_, i) => 10 ** (i % 4) * (1 + Math.floor(i / 4)));
    // Rows are 1, 10, 100, 1000 times 1 to 4; a band of 1 leaves out [2, 1], [3, 1] and [3, 2].
    expect(lostInfluence(sums, 1)).toBe(30 + 40 + 400);
    expect(lostInfluence(sums, 2)).toBe(40);
    expect(lostInfluence(sums, 3)).toBe(0);
  });
});

/** 2 layers of 2 heads, 5 rules, 2 lengths, with costs of chance that fall as rules get longer. */
function small(seed: number): SpanProblem {
  const random = seededRandom(seed);
  const falling = () => Float64Array.from(Array.from({ length: 5 }, () => random() ** 3).sort((a, b) => b - a));
  return {
    ...{ layers: 2, heads: 2, budget: 0.5, least: 0.3, rulesPerLayer: 2 },
    rules: [0, 1, 2, 3, 4].map((i) => ({ alpha: 64 * i, beta: 0 })),
    costs: [0, 1].map(() => Array.from({ length: 4 }, falling)),
    densities: [Float64Array.of(0.1, 0.3, 0.5, 0.7, 1), Float64Array.of(0.2, 0.25, 0.5, 0.6, 0.8)],
  };
}

/** Every plan within the budgets, by trying all. */
function allPlans(problem: SpanProblem, rulesPerLayer = 2): SpanSolution[] {
  const plans = Array.from({ length: 5 ** 4 }, (_, i) => [
    i % 5,
    Math.floor(i / 5) % 5,
    Math.floor(i / 25) % 5,
    Math.floor(i / 125),
  ]);
  return plans
    .filter(([a, b, c, d]) => new Set([a, b]).size <= rulesPerLayer && new Set([c, d]).size <= rulesPerLayer)
    .map((choice) => solution(problem, choice))
    .filter(({ densities }) => densities.every((density) => density <= 0.5 + 1e-12 && density >= 0.3 - 1e-12));
}

describe('the search of spans', () => {
  it.each([1, 2, 3])('finds the optimum of trying every plan, problem %i', async (seed) => {
    const problem = small(seed);
    for (const rulesPerLayer of [1, 2])
      for (const weights of [
        [1, 0],
        [0, 1],
        [1, 1],
        [3, 1],
      ]) {
        const found = solveSpans({ ...problem, rulesPerLayer }, { weights }, await loadSolver())!;
        // Weights are of costs divided by the largest of their length.
        const scaled = problem.costs.map((of, t) => weights[t]! / Math.max(...of.flatMap((costs) => [...costs])));
        const cost = ({ objectives }: SpanSolution) =>
          objectives.reduce((sum, value, t) => sum + scaled[t]! * value, 0);
        const best = Math.min(...allPlans(problem, rulesPerLayer).map(cost));
        expect(cost(found)).toBeCloseTo(best, 9);
        expect(found.densities.every((density) => density <= 0.5 + 1e-6)).toBe(true);
      }
  });

  it.each([1, 2, 3])(
    'finds plans that no plan beats at every length, the best for each among them, problem %i',
    async (seed) => {
      const problem = small(seed);
      const all = undominated(allPlans(problem));
      const found = paretoSpans(problem, await loadSolver(), { points: 8 });
      const key = ({ objectives }: SpanSolution) => objectives.map((value) => value.toFixed(9)).join(' ');
      const front = new Set(all.map(key));
      expect(found.every((one) => front.has(key(one)))).toBe(true);
      for (const t of [0, 1]) {
        const least = (of: readonly SpanSolution[]) => Math.min(...of.map(({ objectives }) => objectives[t]!));
        expect(least(found)).toBeCloseTo(least(all), 9);
      }
      expect(found.length).toBeGreaterThan(1);
    },
  );

  it('says so where no plan keeps the budget', async () => {
    const problem = { ...small(1), budget: 0.05, least: 0 };
    expect(solveSpans(problem, { weights: [1, 1] }, await loadSolver())).toBeUndefined();
    const solver = await loadSolver();
    expect(() => paretoSpans(problem, solver)).toThrow(
      'moa: no plan with 2 rules per layer has a mean density from 0 to 0.05 at every length; search more rules, or another budget',
    );
  });

  it('has plans of chance that keep the budgets as a control', async () => {
    const problem = small(1);
    const solver = await loadSolver();
    const plans = [1, 2, 3].map((seed) => solveSpans(randomProblem(problem, seed), { weights: [1, 1] }, solver));
    const allowed = new Set(allPlans(problem).map(({ choice }) => choice.join()));
    expect(plans.every((plan) => allowed.has(plan!.choice.join()))).toBe(true);
    expect(new Set(plans.map((plan) => plan!.choice.join())).size).toBeGreaterThan(1);
  });

  it('goes from a profile to the plan of least true loss', async () => {
    await using model = await open(bundled('families/llama'));
    const { sizes } = model.decoder;
    const profiles = [];
    for (const length of [16, 32])
      profiles.push(await profileInfluence(model, [{ ids: someIds(length), response: 8 }], { block: 4 }));
    const rules = [
      { alpha: 8, beta: 0 },
      { alpha: 0, beta: 0.5 },
      { alpha: 0, beta: 1 },
    ];
    const problem = spanProblem(profiles, { rules, budget: 0.6, least: 0.3 });
    expect(problem.densities.map((of) => [...of])).toEqual([
      [0.5, 0.5, 1],
      [0.25, 0.5, 1],
    ]);
    const solutions = paretoSpans(problem, await loadSolver());
    const plans = [
      ...solutions.map(({ choice }) => chosenPlan(problem, choice, { block: 4 })),
      uniformPlan(sizes, rules[2]!, { block: 4 }),
    ];
    const texts = [{ ids: someIds(24, 5), response: 8 }];
    const { losses, index, plan } = await bestPlan(model, plans, texts);
    expect(losses[index]).toBe(Math.min(...losses));
    expect(plan).toBe(plans[index]);
    await using engine = new DecodingEngine(model);
    expect(losses.at(-1)).toBeCloseTo(await responseLoss(model, full({ capacity: 24 }), texts, engine), 5);
  });
});
