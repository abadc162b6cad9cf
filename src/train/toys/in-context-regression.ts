import { InputError } from '../../error.ts';
import {
  absolute,
  add,
  cast,
  constant,
  divide,
  dot,
  highest,
  input,
  iota,
  less,
  lowest,
  mean,
  multiply,
  pick,
  select,
  slice,
  softmax,
  subtract,
  sum,
  type Tensor,
  tanh,
  weight,
} from '../../tensor/index.ts';
import { type RegressionSetting, regressionSetting, regressionText } from './in-context-data.ts';
import { moduleDefaults } from './initial.ts';
import type { Expectation, Toy } from './toy.ts';

type ExampleScores = Tensor<'B' | 'H' | 'S'>;

/** Weights from scores ν: softmax, or f(ν) / Σ f(ν) with f = 1 + ν, (1 + ν)², 1 + tanh ν (their weights may be negative or vanish). */
export const exampleNormalisers = {
  softmax: (scores: ExampleScores) => softmax(scores, 'S'),
  affine: (scores: ExampleScores) => share(add(scores, 1)),
  square: (scores: ExampleScores) => share(multiply(add(scores, 1), add(scores, 1))),
  tanh: (scores: ExampleScores) => share(add(tanh(scores), 1)),
};

export interface InContextRegressionOptions extends Partial<RegressionSetting> {
  /** H. Default 2. */
  readonly heads?: number;
  /** Default softmax. */
  readonly normaliser?: keyof typeof exampleNormalisers;
}

/**
 * In-context linear regression, 2503.12734: one layer of attention from a query [x_q; 0] to the examples [x_ℓ; y_ℓ], each head with full
 * matrices, no positions, never to itself:
 *
 * ŷ = Σ_h O_h V_h Z · softmax(Zᵀ K_hᵀ Q_h z_q / √(d + 1))
 *
 * Heads fall into two numbers each: K_hᵀ Q_h ≈ ω_h · I on covariates, O_h V_h ≈ μ_h on the label. Two or more heads pair up, ω and μ of one
 * sign in a head and Σ μ = 0, so that what softmax is forced to give out cancels: one debiased step of gradient descent. One head is a
 * kernel smoother. Adam with β₂ 0.999, no decay. Parameters: `{query,key,value}.weight` [H, N, C], `output.weight` [H, P, N] with C = d +
 * tasks.
 */
export function inContextRegression(options: InContextRegressionOptions = {}): Toy {
  const { heads: H = 2, normaliser = 'softmax', ...given } = options;
  if (!(Number.isSafeInteger(H) && H >= 1))
    throw new InputError(`in-context regression: heads must be a whole number of at least 1, got ${H}`);
  const setting = regressionSetting(given);
  const { features: d, examples: L, supports } = setting;
  const P = supports.length;
  const C = d + P;
  const variant = Object.entries(options).filter(([name]) => name !== 'heads');
  return {
    name: ['in-context-regression', ...(H === 2 ? [] : [`H ${H}`]), ...variant.map(described)].join(', '),
    about:
      'Regression from examples in the text: two heads of opposite sign cancel what softmax is forced to give out.',
    source: '2503.12734',
    steps: 10_000,
    batch: 256,
    learningRate: 1e-3,
    beta2: 0.999,
    decay: 0,
    warmUp: 0,
    decline: 0,
    task() {
      const z = input('examples', { B: 'B', S: L, C });
      const query = input('query', { B: 'B', X: C });
      const answer = input('answer', { B: 'B', P });
      const [Q, K, V] = [
        weight('query.weight', { H, N: C, X: C }),
        weight('key.weight', { H, N: C, C }),
        weight('value.weight', { H, N: C, C }),
      ];
      const O = weight('output.weight', { H, P, N: C });
      const scores = multiply(dot(dot(query, Q, 'X'), dot(z, K, 'C'), 'N'), C ** -0.5); // B H S
      const pattern = exampleNormalisers[normaliser](scores);
      const mixed = dot(dot(pattern, z, 'S'), V, 'C'); // B H N
      const error = subtract(dot(mixed, O, ['H', 'N']), answer);
      const kq = slice(slice(multiply(dot(K, Q, 'N'), C ** -0.5), 'C', 0, d), 'X', 0, d); // H C X
      return {
        loss: mean(multiply(error, error), ['B', 'P']) as Tensor<never>,
        metrics: P === 1 ? twoNumbers(kq, pick(dot(O, V, 'N'), 'P', 0), d) : {},
        initial: moduleDefaults,
      };
    },
    sample(random, batch) {
      const examples = new Float32Array(batch * L * C);
      const query = new Float32Array(batch * C);
      const answer = new Float32Array(batch * P);
      for (let b = 0; b < batch; b++) {
        const text = regressionText(random, setting);
        text.x.forEach((row, l) => {
          examples.set([...row, ...text.y[l]!], (b * L + l) * C);
        });
        query.set(text.query, b * C);
        answer.set(text.answer, b * P);
      }
      const tensor = (data: Float32Array, ...shape: number[]) => ({ type: 'float32' as const, shape, data });
      return {
        examples: tensor(examples, batch, L, C),
        query: tensor(query, batch, C),
        answer: tensor(answer, batch, P),
      };
    },
    expected: variant.length > 0 || H > 2 ? [] : H === 1 ? oneHead : twoHeads,
  };
}

const described = ([name, value]: [string, unknown]) =>
  `${name} ${typeof value === 'object' ? JSON.stringify(value) : value}`;

const share = (kept: ExampleScores): ExampleScores => divide(kept, sum(kept, 'S'));

/** The pattern in numbers, inside the graph. Σμ and ω₁ω₂ say something for two heads; one head has its own square. */
function twoNumbers(kq: Tensor<'H' | 'C' | 'X'>, ov: Tensor<'H' | 'C'>, d: number): Record<string, Tensor<never>> {
  const eye = constant(
    Array.from({ length: d * d }, (_, i) => (i % (d + 1) === 0 ? 1 : 0)),
    { C: d, X: d },
  );
  const omega = multiply(sum(multiply(kq, eye), ['C', 'X']), 1 / d); // H
  const mu = pick(ov, 'C', d);
  const covariates = select(less(iota('C', d + 1), d), ov, 0);
  const size = absolute(omega);
  const all = ['H', 'C', 'X'] as const;
  return {
    omegaSize: mean(size, 'H') as Tensor<never>,
    omegaSpread: subtract(highest(size, 'H'), lowest(size, 'H')) as Tensor<never>,
    omegaProduct: multiply(highest(omega, 'H'), lowest(omega, 'H')) as Tensor<never>,
    muSize: mean(absolute(mu), 'H') as Tensor<never>,
    muSum: absolute(sum(mu, 'H') as Tensor<never>),
    signsAgree: mean(cast(less(0, multiply(omega, mu)), 'float32'), 'H') as Tensor<never>,
    offDiagonal: highest(absolute(multiply(kq, subtract(1, eye))), all) as Tensor<never>,
    covariateWeight: highest(absolute(covariates), ['H', 'C']) as Tensor<never>,
  };
}

const agree: Expectation = { metric: 'signsAgree', about: 'share of heads with sign ω = sign μ', least: 1 };
const twoHeads: readonly Expectation[] = [
  agree,
  { metric: 'omegaProduct', about: 'ω₁ · ω₂: one head of each sign', most: -1e-3 },
  { metric: 'omegaSpread', about: '||ω₁| − |ω₂||', most: 0.02 },
  { metric: 'muSum', about: '|μ₁ + μ₂|', most: 0.15 },
  { metric: 'loss', about: 'mean squared error: one debiased step of gradient descent', most: 0.27 },
];
const oneHead: readonly Expectation[] = [
  agree,
  { metric: 'loss', about: 'mean squared error: a kernel smoother is worse', least: 0.37 },
];
