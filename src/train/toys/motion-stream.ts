import { type ChunkWindow, checkWindow, seenChunks, slotPositions } from '../../models/flow/chunks.ts';
import { type FlowContext, type FlowInput, type FlowSizes, flowDecoder } from '../../models/flow/flow-decoder.ts';
import { stepTimes } from '../../models/flow/sampling.ts';
import { normal } from '../../random.ts';
import {
  add,
  constant,
  dot,
  input,
  mean,
  multiply,
  pick,
  power,
  scalar,
  stopGradient,
  subtract,
  type Tensor,
  type Within,
} from '../../tensor/index.ts';
import { moduleDefaults } from './initial.ts';
import { clipCondition, clipLatent, clipTokens, conditionOf, latentsOf, motionClip } from './motion-clips.ts';
import type { Toy } from './toy.ts';

export interface MotionStreamOptions extends Partial<ChunkWindow> {
  /** Chunks of a training clip. Default 5. */
  readonly chunks?: number;
  /** `own`: the context is what the model itself has made, as when it streams; `true`: clean chunks of the clip. Default `own`. */
  readonly rollout?: 'own' | 'true';
  /** Is the identity told with every frame? Default false: the first frame alone has it. */
  readonly told?: boolean;
  /** Noise levels of the denoising steps. Default three. */
  readonly times?: readonly number[];
}

/** 22,304 parameters. */
export const motionSizes: FlowSizes = {
  ...{ L: 2, H: 4, D: 8, F: 96 },
  ...{ tokens: clipTokens, latent: clipLatent, condition: clipCondition },
};

type Latents = Tensor<'B' | 'T' | 'latent'>;

/**
 * A streaming generator of clips after 2511.01266, in small: a blob of some colours (identity, seen in the first frame only) goes where the
 * condition of each frame says. Chunk after chunk is denoised in a few steps from noise, seeing sink chunks and a rolling window exactly as
 * the stream will: keys and values of clean chunks from a pass at t = 0, positions by slot, no gradient through them. One denoising step,
 * drawn for each batch, is trained. The loss is the simplest one: squared distance of the clean latents from the clip's, which identity and
 * condition determine. Left out: the teacher, its trajectories, matching of distributions with a critic, tracks, text.
 */
export function motionStream(options: MotionStreamOptions = {}): Toy {
  const { frames = 3, sinks = 1, window: width = 1, chunks = 5, rollout = 'own', told = false } = options;
  const { times = stepTimes() } = options;
  const window: ChunkWindow = { frames, sinks, window: width };
  checkWindow(window);
  const [T, K] = [frames * clipTokens, times.length];
  return {
    name: 'motion-stream',
    about: 'Clips made chunk by chunk: what the blob looks like was seen in the first frame only.',
    source: '2511.01266',
    ...{ steps: 2000, batch: 32, learningRate: 3e-3, decay: 0.01, warmUp: 50, decline: 0.4 },
    task() {
      const clip = input('clip', { B: 'B', X: chunks, T, latent: clipLatent });
      const noise = input('noise', { B: 'B', X: chunks, K, T, latent: clipLatent });
      const condition = input('condition', { B: 'B', X: chunks, T, condition: clipCondition });
      const chosen = input('chosen', { K });
      const kept: (readonly FlowContext[])[] = [];
      const losses: Tensor<never>[] = [];
      for (let chunk = 0; chunk < chunks; chunk++) {
        const truth = pick(clip, 'X', chunk);
        const drawn = pick(noise, 'X', chunk);
        const sees = seenChunks(chunk, window);
        const { seen, own } = slotPositions(chunk, window);
        const perToken = (positions: readonly number[], axis: 'T' | 'S') =>
          constant(
            positions.flatMap((position) => new Array<number>(clipTokens).fill(position)),
            { [axis]: positions.length * clipTokens } as Record<'T', number>,
            'int64',
          );
        const context = (layer: number) =>
          sees.map((one, slot) => {
            const positions = perToken(seen.slice(slot * frames, (slot + 1) * frames), 'S') as unknown as Tensor<'S'>;
            return { ...kept[one]![layer]!, positions };
          });
        const isFirst = constant(
          Array.from({ length: T }, (_, t) => (chunk === 0 && t < clipTokens ? 1 : 0)),
          { T },
        );
        const pass = (latents: Latents, time: Within<never>) => {
          const fed: FlowInput = {
            ...{ latents, time, condition: pick(condition, 'X', chunk), isGiven: isFirst },
            given: multiply(truth, isFirst) as Latents,
            places: constant(
              Array.from({ length: T }, (_, t) => t % clipTokens),
              { T },
              'int64',
            ),
            positions: perToken(own, 'T'),
          };
          return flowDecoder(motionSizes, fed, context);
        };
        const mixed = (clean: Latents, step: number) =>
          add(multiply(clean, 1 - times[step]!), multiply(pick(drawn, 'K', step), times[step]!));
        // States that go into each step: of the model's own making, or noised truth.
        const states: Latents[] = [];
        let clean: Latents = truth;
        for (let step = 0; step < K; step++) {
          states.push(rollout === 'true' || step > 0 ? mixed(clean, step) : pick(drawn, 'K', step));
          if (rollout === 'own') clean = stopGradient(pass(states[step]!, scalar(times[step]!)).clean);
        }
        const weighed = states.map((state, step) => multiply(state, pick(chosen, 'K', step)) as Latents);
        const state = stopGradient(weighed.reduce((a, b) => add(a, b)));
        const made = pass(state, dot(chosen, constant(times, { K }), 'K'));
        losses.push(mean(power(subtract(made.clean, truth), 2), ['B', 'T', 'latent']) as Tensor<never>);
        if (chunk + 1 < chunks)
          kept.push(
            pass(clean, scalar(0)).keysAndValues.map(({ k, v }) => ({
              ...{ k: stopGradient(k), v: stopGradient(v) },
              positions: undefined as never,
            })),
          );
      }
      return {
        loss: multiply(
          losses.reduce((a, b) => add(a, b)),
          1 / chunks,
        ),
        metrics: { firstLoss: losses[0]!, lastLoss: losses.at(-1)! },
        initial: moduleDefaults,
      };
    },
    sample(random, batch) {
      const draw = normal(random);
      const clips = Array.from({ length: batch }, () => motionClip(random, chunks * frames));
      const step = Math.floor(random() * K);
      const tensor = (shape: readonly number[], data: Float32Array) => ({ type: 'float32' as const, shape, data });
      const latents = clips.flatMap(({ places, identity }) => places.flatMap((place) => latentsOf(place, identity)));
      const conditions = clips.flatMap(({ places, identity }) =>
        places.flatMap((place) => {
          const one = conditionOf(place, told ? identity : undefined);
          return new Array<number[]>(clipTokens).fill(one).flat();
        }),
      );
      const noise = Float32Array.from({ length: batch * chunks * K * T * clipLatent }, draw);
      return {
        clip: tensor([batch, chunks, T, clipLatent], Float32Array.from(latents)),
        noise: tensor([batch, chunks, K, T, clipLatent], noise),
        condition: tensor([batch, chunks, T, clipCondition], Float32Array.from(conditions)),
        chosen: tensor(
          [K],
          Float32Array.from(times, (_, k) => (k === step ? 1 : 0)),
        ),
      };
    },
    expected: [{ metric: 'lastLoss', about: 'squared error of the last chunk’s clean latents', most: 0.02 }],
  };
}
