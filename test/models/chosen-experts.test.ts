import { expect, it } from 'vitest';
import {
  allExperts,
  type Choice,
  chosenExperts,
  type Expert,
  type Router,
} from '../../src/models/parts/chosen-experts.ts';
import { clampedExperts } from '../../src/models/parts/experts.ts';
import { expert, routedExperts, softmaxShares } from '../../src/models/parts/routed-experts.ts';
import { sigmoidShares } from '../../src/models/parts/sigmoid-shares.ts';
import type { HostTensor } from '../../src/runtime/backend.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { extent, type Graph, gradients, input, lower, type Output, size, sum } from '../../src/tensor/index.ts';
import { ancestors } from '../../src/tensor/schedule.ts';

const [M, F, E, K] = [12, 8, 6, 2];
const f32 = (shape: readonly number[], seed: number, scale = 1): HostTensor => {
  const length = shape.reduce((a, b) => a * b, 1);
  const data = Float32Array.from({ length }, (_, i) => scale * Math.sin(12.9898 * (i + 1) + 78.233 * seed));
  return { type: 'float32', shape, data };
};

async function evaluate(outputs: Record<string, Output>, feeds: Record<string, HostTensor>) {
  await using runtime = nodeRuntime({ threads: 1 });
  const graph: Graph = lower(outputs, { weights: 'inputs' });
  const weights = graph.weights.map(({ input: name, shape }, i) => [name, f32(shape, 100 + i, 0.3)] as const);
  return (await runtime.compile(graph)).run({ ...Object.fromEntries(weights), ...feeds });
}

const mlp: Expert = (rows, index) =>
  expert(rows, { gate: `${index}.gate`, up: `${index}.up`, down: `${index}.down` }, { F, M }, 'silu');

function distance(a: HostTensor | undefined, b: HostTensor | undefined): number {
  expect(a!.shape).toEqual(b!.shape);
  const expected = b!.data as Float32Array;
  expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(1e-3);
  return Math.max(...expected.map((value, i) => Math.abs(Number(a!.data[i]) - value) / Math.max(1, Math.abs(value))));
}

/** Which two experts token i takes. */
const routings: Record<string, (token: number) => [number, number]> = {
  'any two': (i) => [(i * i + 3) % E, (i * i + 3 + 1 + ((7 * i) % (E - 1))) % E],
  'the same two for all tokens, so that four are chosen by none': () => [4, 1],
  'one for all tokens and the others in turn': (i) => [0, 1 + (i % (E - 1))],
};

const sizes: [number, number][] = [
  [1, 1],
  [1, 2],
  [2, 1],
  [1, 63],
  [1, 65],
  [3, 21],
];

const fed: Choice = {
  experts: input('experts', { B: 'B', T: 'T', K }, 'int64'),
  shares: input('shares', { B: 'B', T: 'T', K }),
};
const x = input('x', { B: 'B', T: 'T', M });

function feedsOf([B, T]: [number, number], routing: (token: number) => [number, number]): Record<string, HostTensor> {
  const ids = Array.from({ length: B * T }, (_, i) => routing(i)).flat();
  return {
    x: f32([B, T, M], 1),
    shares: f32([B, T, K], 2),
    experts: { type: 'int64', shape: [B, T, K], data: BigInt64Array.from(ids, BigInt) },
  };
}

it.each(Object.entries(routings))(
  'experts evaluated where they are chosen give what all of them give: %s',
  async (_, routing) => {
    for (const size of sizes) {
      const order = ['B', 'T', 'M'];
      const outputs = {
        routed: { value: chosenExperts(x, fed, E, mlp), order },
        dense: { value: allExperts(x, fed, E, mlp), order },
      };
      const { routed, dense } = await evaluate(outputs, feedsOf(size, routing));
      expect(distance(routed, dense), String(size)).toBeLessThan(1e-6);
    }
  },
);

it('the rows that experts are given are K for each token, and those of an expert are the tokens that chose it', async () => {
  for (const [, routing] of Object.entries(routings))
    for (const [B, T] of sizes) {
      const counts: Record<string, Output> = {};
      const counting: Expert = (rows, index) => {
        counts[`rows${index}`] = { value: extent(size(rows, 'N')) };
        return mlp(rows, index);
      };
      const value = chosenExperts(x, fed, E, counting);
      const found = await evaluate({ ...counts, value: { value } }, feedsOf([B, T], routing));
      const rows = Array.from({ length: E }, (_, e) => Number(found[`rows${e}`]!.data[0]));
      const expected = Array.from({ length: E }, () => 0);
      for (let i = 0; i < B * T; i++) for (const e of routing(i)) expected[e]!++;
      expect(rows).toEqual(expected);
      expect(rows.reduce((a, b) => a + b)).toBe(K * B * T);
    }
});

it('gradients with respect to the stream, the shares and the weights of every expert are those of all experts', async () => {
  const outputs: Record<string, Output> = {};
  for (const [name, form] of Object.entries({ routed: chosenExperts, dense: allExperts })) {
    const y = form(x, fed, E, mlp);
    const loss = sum(y, ['B', 'T', 'M']);
    const weights = ancestors([loss.node]).filter(({ operator }) => operator.name === 'weight');
    weights.sort((a, b) => String(a.attributes.name).localeCompare(String(b.attributes.name)));
    expect(weights.length).toBe(3 * E);
    const wrt = [x, fed.shares, ...(weights as never[])];
    gradients(loss, wrt).forEach((gradient, i) => {
      outputs[`${name}_${i}`] = { value: gradient };
    });
  }
  for (const [title, routing] of Object.entries(routings))
    for (const size of [[1, 1] as const, [3, 21] as const]) {
      const found = await evaluate(outputs, feedsOf([...size], routing));
      let unused = 0;
      for (let i = 0; i < 2 + 3 * E; i++) {
        const [a, b] = [found[`routed_${i}`]!, found[`dense_${i}`]!];
        expect(a.shape).toEqual(b.shape);
        const expected = b.data as Float32Array;
        if (expected.every((value) => value === 0)) unused++;
        const scale = Math.max(1, ...expected.map(Math.abs));
        const worst = Math.max(...expected.map((value, j) => Math.abs(Number(a.data[j]) - value)));
        expect(worst / scale, `${title}, gradient ${i} of ${size}`).toBeLessThan(2e-6);
      }
      expect(unused).toBe(title.startsWith('the same') ? 12 : size[1] > 1 ? 0 : 12);
    }
});

const routers: Record<string, (logits: Router) => Choice> = {
  softmax: softmaxShares(K, true),
  'softmax, not scaled': softmaxShares(K, false),
  'sigmoid by groups': sigmoidShares({ E, chosen: K, groups: { count: 3, chosen: 2 }, normed: true, scale: 2.5 }),
  'all of them': softmaxShares(E, true),
};

it.each(Object.entries(routers))(
  'a mixture with its router is Σ share · expert, its router visible, with gradients to the router: %s',
  async (_, shares) => {
    const hooked: string[] = [];
    const logits: Router[] = [];
    const hook = ((name: string, value: Router) => {
      hooked.push(name);
      if (name === 'mlp.hook_router') logits.push(value);
      return value;
    }) as never;
    const names = (index: number) => ({ gate: `${index}.gate`, up: `${index}.up`, down: `${index}.down` });
    const y = routedExperts({ ...{ M, F, E, activation: 'silu', router: 'router', shares }, expert: names })(x, hook);
    expect(hooked).toEqual(['mlp.hook_router', 'mlp.hook_out']);
    const dense = allExperts(x, shares(logits[0]!), E, mlp);
    const slope = (value: typeof y) => gradients(sum(value, ['B', 'T', 'M']), [logits[0]!])[0]!;
    const outputs = {
      router: { value: logits[0]!, order: ['B', 'T', 'E'] },
      ...{ y: { value: y, order: ['B', 'T', 'M'] }, dense: { value: dense, order: ['B', 'T', 'M'] } },
      ...{ slope: { value: slope(y) }, denseSlope: { value: slope(dense) } },
    };
    for (const [B, T] of sizes) {
      const found = await evaluate(outputs, { x: f32([B, T, M], 3) });
      expect(found.router!.shape).toEqual([B, T, E]);
      expect(distance(found.y, found.dense)).toBeLessThan(1e-6);
      expect(distance(found.slope, found.denseSlope)).toBeLessThan(1e-5);
    }
  },
);

it('clamped experts are evaluated where they are chosen: with all chosen but shares of few they give the same', async () => {
  const hook = ((_: string, value: unknown) => value) as never;
  const at = (name: string) => name;
  const options = { M, F, E, alpha: 1.702, limit: 0.4 };
  const few = clampedExperts(at, { ...options, chosen: E - 1 })(x, hook);
  const all = clampedExperts(at, { ...options, chosen: E })(x, hook);
  for (const [B, T] of sizes) {
    const biased = new Float32Array(E).fill(0);
    // The last expert's logit is so low that it has no share.
    biased[E - 1] = -1e4;
    const graph = lower({ few: { value: few }, all: { value: all } }, { weights: 'inputs' });
    const bias = graph.weights.find(({ weight }) => weight === 'mlp.router.bias')!;
    const found = await evaluate(
      { few: { value: few }, all: { value: all } },
      { x: f32([B, T, M], 4), [bias.input]: { type: 'float32', shape: [E], data: biased } },
    );
    expect(distance(found.few, found.all)).toBeLessThan(1e-6);
  }
});
