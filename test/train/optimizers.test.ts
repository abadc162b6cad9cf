import { describe, expect, it } from 'vitest';
import { normal, seededRandom } from '../../src/random.ts';
import { add, dot, input, multiply, pick, sum, type Tensor, weight } from '../../src/tensor/index.ts';
import type { Optimizer } from '../../src/train/optimizer.ts';
import { adamW } from '../../src/train/optimizers/adamw.ts';
import { lion } from '../../src/train/optimizers/lion.ts';
import { muon } from '../../src/train/optimizers/muon.ts';
import { sgd } from '../../src/train/optimizers/sgd.ts';
import { initialState, slotName } from '../../src/train/state.ts';
import { compileStep } from '../../src/train/step.ts';
import type { Task } from '../../src/train/task.ts';
import { furthest } from '../models/support.ts';
import { type NaiveStep, naiveAdamW, naiveLion, naiveMuon, naiveNewtonSchulz, naiveSgd } from './naive/optimizers.ts';
import { floats, runtimeForTest } from './support.ts';

const normals = (count: number, seed: number) => Array.from({ length: count }, normal(seededRandom(seed)));

/**
 * A loss whose gradient is what is fed: Σ g · w for a tall matrix [F, M] = [5, 3], a wide one in parts [G, R, M] = [1·2, 3] and a vector [M].
 * The products with x are there to make them matrices; x is fed as zeros.
 */
function linearTask(): Task {
  const tall = weight('tall', { F: 5, M: 3 });
  const wide = weight('wide', { G: 1, R: 2, M: 3 });
  const vector = weight('vector', { M: 3 });
  const x = input('x', { B: 2, M: 3 });
  const over = (value: Tensor<string>, name: string, axes: Record<string, number>) =>
    sum(multiply(value, input(name, axes as never) as Tensor<string>), Object.keys(axes)) as Tensor<never>;
  const used = add(sum(dot(x, tall, 'M'), ['B', 'F']), sum(dot(x, wide, 'M'), ['B', 'G', 'R']));
  const loss = [
    over(tall as never, 'g.tall', { F: 5, M: 3 }),
    over(wide as never, 'g.wide', { G: 1, R: 2, M: 3 }),
    over(vector as never, 'g.vector', { M: 3 }),
  ].reduce((total, part) => add(total, part), used);
  return { loss, initial: (_, shape, random) => new Float32Array(shape.reduce((a, b) => a * b, 1)).map(random) };
}

const shapes = { tall: [5, 3], wide: [2, 3], vector: [3] } as const;
type Name = keyof typeof shapes;
const nameList = Object.keys(shapes) as Name[];

type Naive = (step: NaiveStep) => { w: number[]; slots: Record<string, number[]> };
const cases: Record<string, { optimizer: Optimizer; naive: (name: Name) => Naive }> = {
  adamW: { optimizer: adamW(), naive: () => naiveAdamW },
  sgd: { optimizer: sgd(), naive: () => naiveSgd },
  'sgd with Nesterov momentum': { optimizer: sgd({ nesterov: true }), naive: () => (step) => naiveSgd(step, true) },
  lion: { optimizer: lion(), naive: () => naiveLion },
  muon: { optimizer: muon(), naive: (name) => (name === 'vector' ? naiveAdamW : naiveMuon) },
};

describe('the optimisers', () => {
  for (const [title, { optimizer, naive }] of Object.entries(cases))
    it(`${title} follows its loop version over six steps, with decay of matrices only`, async () => {
      const task = linearTask();
      const step = await compileStep(runtimeForTest(), task, { optimizer, decay: 0.3 });
      let state = initialState(task, optimizer, 11);
      const loops = new Map(
        nameList.map((name) => {
          const zeros = new Array<number>(state.parameters.get(name)!.length).fill(0);
          const slots: Record<string, readonly number[]> = { m: zeros, v: zeros, momentum: zeros };
          return [name, { w: [...state.parameters.get(name)!], slots }] as const;
        }),
      );
      for (let n = 1; n <= 6; n++) {
        const learningRate = 0.01 * n;
        const gradients = Object.fromEntries(
          nameList.map((name, i) => [name, normals(state.parameters.get(name)!.length, 100 * n + i)]),
        ) as Record<Name, number[]>;
        const feeds = {
          x: floats([0, 0, 0, 0, 0, 0], [2, 3]),
          'g.tall': floats(gradients.tall, [5, 3]),
          'g.wide': floats(gradients.wide, [1, 2, 3]),
          'g.vector': floats(gradients.vector, [3]),
        };
        ({ state } = await step.run(state, feeds, learningRate));
        for (const name of nameList) {
          const loop = loops.get(name)!;
          const [rows, columns] = shapes[name];
          const next = naive(name)({
            ...{ w: loop.w, slots: loop.slots, g: [...Float32Array.from(gradients[name])] },
            ...{
              learningRate,
              decay: name === 'vector' ? 0 : 0.3,
              step: n,
              rows,
              ...(columns === undefined ? {} : { columns }),
            },
          });
          loops.set(name, next);
          expect(furthest(state.parameters.get(name)!, next.w), `${name}, step ${n}`).toBeLessThan(3e-6);
          for (const [slot, values] of Object.entries(next.slots))
            expect(furthest(state.slots.get(slotName(slot, name))!, values), `${slot} of ${name}`).toBeLessThan(3e-6);
        }
      }
      expect(state.slots.size).toBe(nameList.flatMap((name) => Object.keys(loops.get(name)!.slots)).length);
    });

  it('muon keeps one array for each matrix and two for everything else', () => {
    const state = initialState(linearTask(), muon(), 1);
    expect([...state.slots.keys()]).toEqual(['momentum tall', 'momentum wide', 'm vector', 'v vector']);
  });

  it('muon orthogonalises matrices that are stored together one by one', async () => {
    const x = input('x', { B: 4, M: 3 });
    const both = weight('both', { M: 3, J: 2, F: 5 });
    const separate = [weight('first', { M: 3, F: 5 }), weight('second', { M: 3, F: 5 })] as const;
    const values = normals(30, 9);
    const part = (j: number) => values.filter((_, i) => Math.floor(i / 5) % 2 === j);
    const initial = (name: string) =>
      Float32Array.from(name === 'both' ? values : part(name === 'first' ? 0 : 1)) as Float32Array<ArrayBuffer>;
    const lossOf = (one: Tensor<'M' | 'F'>, other: Tensor<'M' | 'F'>) => {
      const made = multiply(dot(x, one, 'M'), add(dot(x, other, 'M'), 1));
      return sum(multiply(made, made), ['B', 'F']);
    };
    const optimizer = muon();
    const updated = async (loss: Tensor<never>) => {
      const task = { loss, initial };
      const step = await compileStep(runtimeForTest(), task, { optimizer });
      const feeds = { x: floats(normals(12, 10), [4, 3]) };
      return (await step.run(initialState(task, optimizer, 0), feeds, 0.1)).state.parameters;
    };
    const packed = await updated(lossOf(pick(both, 'J', 0), pick(both, 'J', 1)));
    const apart = await updated(lossOf(...separate));
    const found = [...packed.get('both')!];
    for (const [j, name] of ['first', 'second'].entries()) {
      const mine = found.filter((_, i) => Math.floor(i / 5) % 2 === j);
      expect(furthest(mine, apart.get(name)!), name).toBeLessThan(1e-5);
      expect(furthest(mine, part(j)), name).toBeGreaterThan(0.01);
    }
  });

  it("Newton–Schulz leaves singular values between 0.6 and 1.3: the loop version's rows of a wide matrix are nearly orthonormal", () => {
    const values = normals(4 * 9, 5);
    const x = naiveNewtonSchulz([0, 1, 2, 3].map((r) => values.slice(9 * r, 9 * r + 9)));
    for (const [r, row] of x.entries())
      for (const [s, other] of x.entries()) {
        const product = row.reduce((total, value, i) => total + value * other[i]!, 0);
        if (r === s) expect(product).toBeGreaterThan(0.36);
        expect(Math.abs(product)).toBeLessThan(r === s ? 1.7 : 0.7);
      }
  });

  it('names a setting that is out of range', () => {
    expect(() => adamW({ beta2: 1 })).toThrow('adamW: beta2 must be at least 0 and below 1, got 1');
    expect(() => lion({ beta1: -0.1 })).toThrow('lion: beta1 must be at least 0 and below 1, got -0.1');
    expect(() => sgd({ momentum: Number.NaN })).toThrow('sgd: momentum must be at least 0 and below 1, got NaN');
    expect(() => muon({ iterations: 0 })).toThrow('muon: iterations must be a whole number of at least 1, got 0');
  });
});
