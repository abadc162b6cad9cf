import { z } from 'zod';
import { positions } from '../../attention/positions/positions.ts';
import { logits } from '../../models/forward.ts';
import { createHooks } from '../../models/hooks.ts';
import type { HostTensor } from '../../runtime/backend.ts';
import {
  cast,
  crossEntropy,
  divide,
  input,
  iota,
  lessOrEqual,
  mean,
  multiply,
  slice,
  sum,
  type Tensor,
} from '../../tensor/index.ts';
import { train } from '../../train/loop.ts';
import { adamW } from '../../train/optimizers/adamw.ts';
import { constant } from '../../train/schedule.ts';
import { smallDecoder } from '../../train/small-decoder.ts';
import { collectTraining, type Task } from '../../train/task.ts';
import { V } from '../../train/toys/backcopy-language.ts';
import { initialOf } from '../../train/toys/initial.ts';
import { compileValues } from '../../train/values.ts';
import type { Experiment } from '../experiment.ts';
import { average } from '../figures.ts';
import { attentionNamed } from './attention.ts';
import { firstKeys, lookAt, placesOf } from './look.ts';
import { sequencesOf, T } from './sequences.ts';
import { type EmergenceSetting, settingSchema } from './setting.ts';

const share = z.number().min(0).max(1.000_01);
const real = z.number();

const lookSchema = z.strictObject({
  step: z.number().int().min(0),
  /** Held-out loss in nats per counted token. */
  loss: real,
  /** Sink_k at ε 0.3 for the first keys: share of heads (and texts) whose mean attention to the key is above it. */
  sinkRate: z.array(share).length(firstKeys),
  /** Mean attention to the first key. */
  alpha: share,
  /** Sink_* of the null column, and its mean mass; null without one. */
  nullRate: share.nullable(),
  nullMass: share.nullable(),
  /** Mean Σ|w| of a query; null where rows sum to one. */
  mass: real.nullable(),
  /** Largest |residual| over its mean, in the strongest layer. */
  largestRatio: real,
  /** Length of the residual at the first position over that elsewhere, in the strongest layer. */
  firstNormRatio: real,
  /** Of the batch before; null before the first step. */
  gradientNorm: real.nullable(),
});

export type EmergenceLook = z.infer<typeof lookSchema>;

const resultSchema = z.strictObject({
  looks: z.array(lookSchema).min(1).max(100_000),
  parameters: z.number().int().min(1),
  seconds: real.min(0),
});

export type EmergenceResult = z.infer<typeof resultSchema>;

const epsilon = 0.3;

/** Trains one small decoder on the bigram/backcopy language and looks for sinks as it learns (2410.10781). */
export const emergence: Experiment<EmergenceSetting, EmergenceResult> = {
  name: 'emergence',
  version: 1,
  setting: settingSchema,
  result: resultSchema,
  async run(setting, seed, { runtime, signal, progress }) {
    const started = performance.now();
    const sequences = sequencesOf(setting, seed);
    const mechanism = attentionNamed(setting.attention);
    const training = collectTraining();
    const decoder = smallDecoder({
      sizes: { L: setting.L, H: setting.H, M: setting.M, V, ...(setting.F === null ? {} : { F: setting.F }) },
      ...{ context: T, mechanism, position: positions[setting.position], norm: setting.norm, tied: false },
      ...{
        activation: setting.activation,
        gated: setting.gated,
        window: setting.window ?? undefined,
        training: training.tap,
      },
    });
    const ids = input('ids', { B: 'B', T: T + 1 }, 'int64');
    const places = placesOf(setting.prefix);
    const scores = logits(decoder, slice(ids, 'T', 0, T), places, createHooks({ watched: true }));
    const losses = crossEntropy(scores, slice(ids, 'T', 1, T + 1), 'V');
    const loss = counted(losses, setting);
    const task: Task = { loss: training.withTerms(loss), buffers: training.buffers, initial: initialOf(mechanism) };
    const look = await compileValues(runtime, {
      loss,
      ...lookAt(decoder, slice(ids, 'T', 0, T), mechanism.rows, setting.prefix),
    });
    const held = idsOf(sequences.heldOut);
    const looks: EmergenceLook[] = [];
    const running = train({
      ...{ runtime, task, seed, steps: setting.steps, decay: setting.decay, clip: 1 },
      optimizer: adamW({ beta1: 0.9, beta2: 0.95 }),
      schedule: constant({ peak: setting.learningRate }),
      batches: (i) => idsOf(sequences.batch(i)),
      ...(signal ? { signal } : {}),
    });
    let parameters = 0;
    for await (const { step, state, gradientNorm } of running) {
      progress?.(step / setting.steps);
      if (step !== 1 && step % setting.every !== 0 && step !== setting.steps) continue;
      parameters = [...state.parameters.values()].reduce((total, { length }) => total + length, 0);
      looks.push({ step, gradientNorm, ...read(await look.run(state.parameters, held)) });
    }
    signal?.throwIfAborted();
    return { looks, parameters, seconds: (performance.now() - started) / 1000 };
  },
};

/** Mean over the tokens that can be learnt: not the one after the first, not those inside a prefix. */
function counted(losses: Tensor<'B' | 'T'>, { prefix }: EmergenceSetting): Tensor<never> {
  const counts = cast(lessOrEqual(Math.max(1, prefix ?? 0), iota('T', T)) as Tensor<'T'>, 'float32');
  return divide(
    mean(sum(multiply(losses, counts as never) as Tensor<'B' | 'T'>, 'T'), 'B'),
    sum(counts, 'T'),
  ) as Tensor<never>;
}

function read(values: Readonly<Record<string, HostTensor>>): Omit<EmergenceLook, 'step' | 'gradientNorm'> {
  const of = (name: string) => Array.from((values[name]?.data ?? []) as Float32Array);
  const rate = (all: readonly number[]) => average(all.map((value) => (value > epsilon ? 1 : 0)));
  const strongest = (over: string, under: string) => {
    const [a, b] = [of(over), of(under)];
    return Math.max(...a.map((value, layer) => value / b[layer]!));
  };
  const optional = (name: string, f: (all: readonly number[]) => number) => (values[name] ? f(of(name)) : null);
  return {
    loss: of('loss')[0]!,
    sinkRate: Array.from({ length: firstKeys }, (_, key) => rate(of(`alpha${key}`))),
    alpha: average(of('alpha0')),
    nullRate: optional('null', rate),
    nullMass: optional('null', average),
    mass: optional('mass', average),
    largestRatio: strongest('largest', 'typical'),
    firstNormRatio: strongest('firstNorm', 'otherNorm'),
  };
}

function idsOf(rows: readonly (readonly number[])[]): { ids: HostTensor } {
  return {
    ids: { type: 'int64', shape: [rows.length, T + 1], data: BigInt64Array.from(rows.flat(), BigInt) },
  };
}
