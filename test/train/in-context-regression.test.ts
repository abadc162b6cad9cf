import { beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/random.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { adamW } from '../../src/train/optimizers/adamw.ts';
import { initialState } from '../../src/train/state.ts';
import { headPatterns } from '../../src/train/toys/in-context-circuits.ts';
import {
  type RegressionText,
  regressionSetting,
  regressionText,
  twoTasks,
} from '../../src/train/toys/in-context-data.ts';
import {
  debiasedGradientDescent,
  gradientDescent,
  linearAttention,
  type Predictor,
  reducedHeads,
  ridge,
  risk,
} from '../../src/train/toys/in-context-predictors.ts';
import {
  bestStep,
  manifoldMu,
  optimalMu,
  reducedLoss,
  reducedLossGradient,
  singleHeadOptimum,
} from '../../src/train/toys/in-context-reduced-loss.ts';
import { inContextRegression } from '../../src/train/toys/in-context-regression.ts';
import { type ToyResult, trainToy } from '../../src/train/toys/train-toy.ts';
import { compileValues } from '../../src/train/values.ts';

const setting = { features: 5, examples: 40, noise: 0.1 };
const texts = (count: number, given: Parameters<typeof regressionSetting>[0] = {}, seed = 5): RegressionText[] => {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => regressionText(random, regressionSetting(given)));
};
const pair = (gamma: number, step: number): Predictor =>
  reducedHeads([gamma, -gamma], [step / (2 * gamma), -step / (2 * gamma)]);

describe('heads of two numbers', () => {
  it('with ω = 0 give (Σμ) times the mean label, and two of opposite μ give nothing', () => {
    for (const text of texts(5)) {
      const mean = text.y.reduce((total, [y]) => total + y!, 0) / text.y.length;
      expect(reducedHeads([0, 0, 0], [0.5, 1, -0.2])(text)).toBeCloseTo(1.3 * mean, 12);
      expect(reducedHeads([0, 0], [3, -3])(text)).toBeCloseTo(0, 12);
    }
  });

  it('of opposite sign tend to a debiased step of gradient descent, with an error like γ²', () => {
    const some = texts(20);
    const target = debiasedGradientDescent(0.86);
    const errors = [0.3, 0.1, 0.03, 0.01, 0.003].map((gamma) =>
      Math.max(...some.map((text) => Math.abs(pair(gamma, 0.86)(text) - target(text)))),
    );
    // The card measured 4e-2, 7e-3, 7e-4, 7e-5, 7e-6 over inputs of its own.
    [4e-2, 7e-3, 7e-4, 7e-5, 7e-6].forEach((wanted, i) => {
      expect(errors[i]! / wanted).toBeGreaterThan(0.2);
      expect(errors[i]! / wanted).toBeLessThan(6);
    });
    expect(errors[2]! / errors[4]!).toBeGreaterThan(70);
    expect(errors[2]! / errors[4]!).toBeLessThan(140);
  });

  it('add Σμ · c when every label is moved by c: nothing for a pair, as for debiased descent, and μ c for one head', () => {
    for (const text of texts(5)) {
      const moved = { ...text, y: text.y.map(([y]) => [y! + 0.7]) };
      const change = (predict: Predictor) => predict(moved) - predict(text);
      expect(change(debiasedGradientDescent(0.86))).toBeCloseTo(0, 12);
      expect(change(pair(0.15, 0.86))).toBeCloseTo(0, 12);
      expect(change(reducedHeads([0.45], [1.6]))).toBeCloseTo(1.6 * 0.7, 12);
      expect(Math.abs(change(gradientDescent(0.86)))).toBeGreaterThan(1e-3);
    }
  });
});

describe('reduced loss', () => {
  it('has the gradient of finite differences', () => {
    const [omega, mu] = [
      [0.3, -0.2, 0.11],
      [1.1, -0.7, 0.4],
    ] as const;
    const found = reducedLossGradient(omega, mu, setting);
    for (let h = 0; h < 3; h++) {
      const at = (values: readonly number[], step: number) => values.map((v, i) => (i === h ? v + step : v));
      const slope = (loss: (step: number) => number) => (loss(1e-6) - loss(-1e-6)) / 2e-6;
      expect(found.omega[h]).toBeCloseTo(
        slope((step) => reducedLoss(at(omega, step), mu, setting)),
        7,
      );
      expect(found.mu[h]).toBeCloseTo(
        slope((step) => reducedLoss(omega, at(mu, step), setting)),
        7,
      );
    }
  });

  it('of one head is least at ω = 1/√d: 0.4472, μ 1.628, loss 0.3721', () => {
    const { omega, mu } = singleHeadOptimum(setting);
    expect(omega).toBeCloseTo(0.4472, 4);
    expect(mu).toBeCloseTo(1.628, 3);
    expect(reducedLoss([omega], [mu], setting)).toBeCloseTo(0.3721, 4);
    const slope = reducedLossGradient([omega], [mu], setting);
    expect(slope.omega[0]).toBeCloseTo(0, 10);
    expect(slope.mu[0]).toBeCloseTo(0, 10);
    for (const other of [0.3, 0.4, 0.5, 0.6])
      expect(reducedLoss([other], optimalMu([other], setting), setting)).toBeGreaterThan(0.3722);
  });

  it('of two heads falls to 1.1 − 1/1.1375 = 0.2209 as γ → 0, along the manifold of best μ', () => {
    const at = (gamma: number) => {
      const mu = optimalMu([gamma, -gamma], setting);
      expect(mu[0]).toBeCloseTo(manifoldMu(gamma, setting), 8);
      expect(mu[1]).toBeCloseTo(-mu[0]!, 8);
      return reducedLoss([gamma, -gamma], mu, setting);
    };
    const [wide, mid, narrow] = [at(0.3), at(0.1), at(0.003)];
    expect(wide).toBeGreaterThan(mid);
    expect(mid).toBeGreaterThan(narrow);
    expect(narrow).toBeCloseTo(0.2209, 4);
    expect(narrow).toBeCloseTo(1.1 - bestStep(setting), 8);
    expect(bestStep(setting)).toBeCloseTo(1 / 1.1375, 12);
  });
});

describe('risk', () => {
  const some = texts(8000);

  it('at the length of training is that of the card: ridge 0.116, descent 0.238, debiased 0.241, pair 0.241, one head 0.403', () => {
    expect(risk(ridge(0.5), some)).toBeCloseTo(0.116, 1.9);
    expect(Math.abs(risk(ridge(0.5), some) - 0.116)).toBeLessThan(0.006);
    expect(Math.abs(risk(gradientDescent(0.86), some) - 0.238)).toBeLessThan(0.012);
    expect(Math.abs(risk(debiasedGradientDescent(0.86), some) - 0.241)).toBeLessThan(0.012);
    expect(Math.abs(risk(reducedHeads([0.155, -0.155], [2.87, -2.87]), some) - 0.241)).toBeLessThan(0.012);
    expect(Math.abs(risk(reducedHeads([0.515], [1.49]), some) - 0.403)).toBeLessThan(0.02);
  });

  it('falls with longer texts for softmax heads and explodes for linear attention with a fixed 1/40', () => {
    const heads = reducedHeads([0.155, -0.155], [2.87, -2.87]);
    const [longer, long] = [texts(1500, { examples: 80 }), texts(1000, { examples: 160 })];
    expect(Math.abs(risk(heads, longer) - 0.178)).toBeLessThan(0.025);
    expect(Math.abs(risk(heads, long) - 0.147)).toBeLessThan(0.025);
    expect(Math.abs(risk(linearAttention(0.86, 40), longer) - 0.86)).toBeLessThan(0.15);
    expect(Math.abs(risk(linearAttention(0.86, 40), long) - 6.6)).toBeLessThan(1);
  });
});

describe('data', () => {
  it('has the variances of the setting, and covariances ρ^|i − j|', () => {
    const all = texts(800, { correlation: 0.5 }).flatMap(({ x }) => x);
    const covariance = (i: number, j: number) => all.reduce((total, x) => total + x[i]! * x[j]!, 0) / all.length;
    expect(covariance(0, 0)).toBeCloseTo(1, 1);
    expect(covariance(2, 3)).toBeCloseTo(0.5, 1);
    expect(covariance(1, 3)).toBeCloseTo(0.25, 1);
    const labels = texts(4000).map(({ answer }) => answer[0]! ** 2);
    expect(Math.abs(labels.reduce((a, b) => a + b, 0) / labels.length - 1.1)).toBeLessThan(0.1);
  });

  it('of two tasks shares β: labels correlate through the features that both read', () => {
    const some = texts(6000, twoTasks());
    const product = (n: number, m: number) =>
      some.reduce((total, { answer }) => total + answer[n]! * answer[m]!, 0) / some.length;
    expect(Math.abs(product(0, 0) - 4.4)).toBeLessThan(0.4);
    expect(Math.abs(product(0, 1) - 2)).toBeLessThan(0.3);
  });

  it('refuses what is out of range, by name', () => {
    expect(() => inContextRegression({ examples: 0 })).toThrow(
      'in-context regression: examples must be a whole number of at least 1, got 0',
    );
    expect(() => inContextRegression({ correlation: 1 })).toThrow(
      'in-context regression: correlation must lie between −1 and 1, got 1',
    );
    expect(() => inContextRegression({ supports: [[0, 5]] })).toThrow(
      'in-context regression: supports name feature 5, there are 0 to 4',
    );
    expect(() => inContextRegression({ heads: 1.5 })).toThrow(
      'in-context regression: heads must be a whole number of at least 1, got 1.5',
    );
  });
});

describe('the model', () => {
  it('has the loss and the circuits of plain loops over its matrices', async () => {
    const toy = inContextRegression({ features: 3, examples: 4, heads: 2 });
    const task = toy.task();
    const { parameters } = initialState(task, adamW(), 1);
    const feeds = toy.sample(seededRandom(2), 3);
    await using runtime = nodeRuntime({ threads: 1 });
    const watching = await compileValues(runtime, { loss: task.loss, ...task.metrics } as Record<
      string,
      typeof task.loss
    >);
    const values = await watching.run(parameters, feeds);
    const [C, L] = [4, 4];
    const of = (name: string) => parameters.get(name)!;
    const [z, query, answer] = ['examples', 'query', 'answer'].map((name) => feeds[name]!.data as Float32Array);
    const times = (w: Float32Array, h: number, x: ArrayLike<number>) =>
      Array.from({ length: C }, (_, n) => {
        let total = 0;
        for (let c = 0; c < C; c++) total += w[(h * C + n) * C + c]! * x[c]!;
        return total;
      });
    const inner = (a: ArrayLike<number>, b: ArrayLike<number>) =>
      Array.from(a).reduce((total, value, i) => total + value * b[i]!, 0);
    let loss = 0;
    for (let b = 0; b < 3; b++) {
      let guess = 0;
      for (let h = 0; h < 2; h++) {
        const rows = Array.from({ length: L }, (_, l) => z!.subarray((b * L + l) * C, (b * L + l + 1) * C));
        const q = times(of('query.weight'), h, query!.subarray(b * C, (b + 1) * C));
        const weights = rows.map((row) => Math.exp(inner(q, times(of('key.weight'), h, row)) / 2));
        const sum = weights.reduce((x, y) => x + y, 0);
        rows.forEach((row, l) => {
          const out = inner(of('output.weight').subarray(h * C, (h + 1) * C), times(of('value.weight'), h, row));
          guess += (weights[l]! / sum) * out;
        });
      }
      loss += (guess - answer![b]!) ** 2 / 3;
    }
    expect(values.loss!.data[0]).toBeCloseTo(loss, 5);
    const heads = headPatterns(parameters, { heads: 2, features: 3 });
    const [w, m] = [heads.map(({ omega }) => omega), heads.map(({ mu }) => mu[0]![0]!)];
    expect(values.omegaProduct!.data[0]).toBeCloseTo(w[0]! * w[1]!, 6);
    expect(values.omegaSpread!.data[0]).toBeCloseTo(Math.abs(Math.abs(w[0]!) - Math.abs(w[1]!)), 6);
    expect(values.muSum!.data[0]).toBeCloseTo(Math.abs(m[0]! + m[1]!), 6);
    expect(values.offDiagonal!.data[0]).toBeCloseTo(Math.max(...heads.map((head) => head.offDiagonal)), 6);
    expect(values.covariateWeight!.data[0]).toBeCloseTo(Math.max(...heads.map(({ rest }) => rest)), 6);
    expect(values.signsAgree!.data[0]).toBe(w.filter((value, h) => value * m[h]! > 0).length / 2);
  });

  it('says which parameter is missing', () => {
    expect(() => headPatterns(new Map(), { heads: 2, features: 5 })).toThrow(
      'in-context regression: expected query.weight with 72 values, got undefined',
    );
  });
});

describe('400 steps at a tenfold rate', () => {
  const trained = async (heads: number, signal = 1): Promise<ToyResult> => {
    await using runtime = nodeRuntime({ threads: 1 });
    const toy = { ...inContextRegression({ heads, signal }), learningRate: 1e-2, batch: 128 };
    return await trainToy(toy, runtime, { steps: 400 });
  };
  let two: ToyResult;
  let one: ToyResult;
  beforeAll(async () => {
    [two, one] = [await trained(2), await trained(1)];
  });

  it('two heads pair up: one of each sign, ω and μ of one sign in each, Σμ small', () => {
    const [a, b] = headPatterns(two.state.parameters, { heads: 2, features: 5 });
    expect(a!.omega * b!.omega).toBeLessThan(-0.01);
    expect(a!.omega * a!.mu[0]![0]!).toBeGreaterThan(0);
    expect(b!.omega * b!.mu[0]![0]!).toBeGreaterThan(0);
    expect(two.values.muSum).toBeLessThan(0.3);
  });

  it('and are clearly better than one head, which is a kernel smoother', () => {
    expect(two.values.loss).toBeLessThan(0.33);
    expect(one.values.loss).toBeGreaterThan(0.35);
    const [head] = headPatterns(one.state.parameters, { heads: 1, features: 5 });
    expect(Math.abs(head!.omega)).toBeGreaterThan(0.35);
  });

  it('without a signal in the labels there is no pair: ω and μ stay small', async () => {
    const { state } = await trained(2, 0);
    for (const { omega, mu } of headPatterns(state.parameters, { heads: 2, features: 5 })) {
      expect(Math.abs(omega * mu[0]![0]!)).toBeLessThan(0.05);
    }
  });
});
