import type { TrainResult } from '../report/train.schema.ts';
import { nodeRuntime } from '../runtime/node.ts';
import type { TrainMemory } from '../train/memory.ts';
import type { ToyRecipe } from '../train/recipes/recipe.ts';
import type { Toy } from '../train/toys/toy.ts';
import { trainToy } from '../train/toys/train-toy.ts';
import type { CommandContext } from './command.ts';
import { checkMemory } from './memory.ts';
import { plainBytes, type Terminal } from './terminal.ts';
import { TrainLive } from './train-live.ts';
import type { TrainFlags } from './train-options.ts';
import { version } from './version.ts';

/** Trains a toy with progress on standard error. */
export async function runToy(
  recipe: ToyRecipe,
  flags: TrainFlags,
  { terminal, signal }: CommandContext,
): Promise<TrainResult> {
  const own = recipe.toy(recipe.bos ? { bos: flags.bos } : {});
  const toy: Toy = {
    ...own,
    ...(flags.batch === undefined ? {} : { batch: flags.batch }),
    ...(flags.learningRate === undefined ? {} : { learningRate: flags.learningRate }),
    ...(flags.decay === undefined ? {} : { decay: flags.decay }),
  };
  const { seed = 0, steps = toy.steps } = flags;
  await using runtime = nodeRuntime(runtimeOptions(flags));
  const live = new TrainLive(terminal, signal);
  const curve: TrainResult['curve'] = [];
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  const { state, verdicts } = await trainToy(toy, runtime, {
    ...{ seed, steps, signal, tellMemory: tellTrainMemory(terminal, 'give a smaller --batch') },
    progress(step, { loss, ...metrics }, { gradientNorm, learningRate }) {
      curve.push({ step, loss: loss!, gradientNorm, learningRate, tokensPerSecond: null, metrics });
      const secondsLeft = (seconds() / step) * (steps - step);
      live.show({ recipe: toy.name, step, steps, secondsLeft, curve, watched: [], validation: [] });
    },
  }).finally(() => live.clear());
  return {
    format: 'sinklab.train/1',
    sinklab: version,
    recipe: { name: toy.name, about: toy.about, kind: 'toy', source: toy.source },
    settings: {
      ...{ batch: toy.batch, steps, learningRate: toy.learningRate, warmUp: toy.warmUp, decline: toy.decline },
      ...{ decay: toy.decay, clip: 1, ...(recipe.bos ? { bos: flags.bos } : {}) },
    },
    seed,
    steps: { done: steps, asked: steps },
    curve,
    watched: [],
    uniform: null,
    validation: [],
    verdicts: [...verdicts],
    provenance: { data: [], ...machine(runtime), parameters: countOf(state.parameters), seconds: seconds() },
  };
}

export const runtimeOptions = ({ threads, verbose = false }: TrainFlags) => ({
  verbose,
  ...(threads === undefined ? {} : { threads }),
});

/** Writes what a run takes before it begins; refuses, by the advice, what the machine does not have. */
export const tellTrainMemory =
  ({ err }: Terminal, advice: string) =>
  ({ total, parameters, slots, activations }: TrainMemory) => {
    const about = checkMemory(total, 'training', advice) ?? `training takes about ${plainBytes(total)}`;
    err(
      `${about}: weights and optimiser ${plainBytes(parameters + slots)}, values of a step ${plainBytes(activations)}\n`,
    );
  };

/** What a run was made on. */
export const machine = ({ backend, threads }: ReturnType<typeof nodeRuntime>) => ({
  runtime: backend.name,
  device: backend.device,
  node: process.versions.node,
  threads,
});

export const countOf = (parameters: ReadonlyMap<string, { readonly length: number }>) =>
  [...parameters.values()].reduce((sum, { length }) => sum + length, 0);
