import { z } from 'zod';
import type { Mechanism } from '../attention/mechanism.ts';
import { type Position, positions } from '../attention/positions/positions.ts';
import { shapesOf } from '../train/feeds.ts';
import { trainMemory } from '../train/memory.ts';
import { adamW } from '../train/optimizers/adamw.ts';
import type { TrainState } from '../train/state.ts';
import { planStep } from '../train/step-plan.ts';
import { type CharacterModelOptions, characters } from '../train/toys/characters.ts';
import { type HeldOut, heldOut } from './character-figures.ts';
import type { ClaimSize } from './claim.ts';
import type { Experiment } from './experiment.ts';
import { type ToyFigures, toyExperiment } from './toy-experiment.ts';

/** One way to do attention in a character model. */
export interface CharacterArm {
  readonly mechanism: () => Mechanism;
  /** G. Default: as many as query heads. */
  readonly keyValueHeads?: number;
  /** Default RoPE. */
  readonly position?: Position;
}

const whole = (most: number) => z.number().int().min(1).max(most);

/** Eight query heads, and what else a run is. */
export interface CharacterSetting<A extends string> {
  readonly arm: A;
  readonly L: number;
  readonly M: number;
  readonly T: number;
  readonly batch: number;
  readonly steps: number;
}

/** The same for all arms: two layers of width 64 for minutes, the cards' four of width 128 for a night. */
export function characterSettings<A extends string>(
  arms: readonly A[],
  size: ClaimSize,
): Record<A, CharacterSetting<A>> {
  const shape =
    size === 'night' ? { L: 4, M: 128, T: 64, batch: 32, steps: 300 } : { L: 2, M: 64, T: 64, batch: 16, steps: 400 };
  return Object.fromEntries(arms.map((arm) => [arm, { arm, ...shape }])) as Record<A, CharacterSetting<A>>;
}

/** What differs from the cards in every claim that uses this model. */
export const smallerText =
  'The text is the 47,500 characters that ship; losses and accuracies are those of its last tenth, which is not learnt from. In minutes: 2 layers of width 64, 400 steps of 16 × 64 characters; in a night 4 of width 128, 300 steps of 32 × 64, not 1,500: more and the text is known by heart.';

export interface CharacterExperimentOptions<A extends string> {
  readonly name: string;
  readonly version: number;
  readonly arms: Readonly<Record<A, CharacterArm>>;
  /** Positions that tables in the stream are made for. Default T. */
  readonly longest?: number;
  /** Figures beside `heldOutLoss`, `heldOutAccuracy`, `first`, `sinkRate` and `activationMegabytes`, which is an estimate for one step. */
  readonly after?: (given: {
    readonly arm: A;
    readonly setting: CharacterSetting<A>;
    readonly parameters: TrainState['parameters'];
    readonly found: HeldOut;
    /** Held-out figures of these parameters on texts of another length. */
    readonly again: (parameters: TrainState['parameters'], length: number) => Promise<HeldOut>;
  }) => Promise<Record<string, number>> | Record<string, number>;
}

/** Trains the character model with one arm and measures it on held-out text. */
export function characterExperiment<const A extends string>(
  options: CharacterExperimentOptions<A>,
): Experiment<CharacterSetting<A>, ToyFigures> {
  const { name, version, arms, longest, after } = options;
  const model = ({ arm, L, M, T }: CharacterSetting<A>): CharacterModelOptions => {
    const { mechanism, keyValueHeads: G, position = positions.rope } = arms[arm];
    return {
      ...{ mechanism: mechanism(), position, T },
      ...(longest === undefined ? {} : { longest }),
      sizes: { L, H: 8, M, ...(G === undefined ? {} : { G }) },
    };
  };
  const toyOf = (setting: CharacterSetting<A>) => ({
    ...characters(model(setting)),
    ...{ batch: setting.batch, steps: setting.steps },
  });
  return toyExperiment<CharacterSetting<A>>({
    ...{ name, version },
    setting: z.strictObject({
      arm: z.enum(Object.keys(arms) as [A, ...A[]]),
      L: whole(12),
      M: z.number().int().min(8).max(512).multipleOf(8),
      ...{ T: whole(256).min(2), batch: whole(256), steps: whole(20_000) },
    }) as unknown as z.ZodType<CharacterSetting<A>>,
    toy: (setting) => ({ toy: toyOf(setting) }),
    async after(setting, { parameters }, { runtime }) {
      const toy = toyOf(setting);
      const plan = planStep(toy.task(), { optimizer: adamW(), decay: toy.decay, clip: 1 });
      const memory = trainMemory(plan, shapesOf(toy.sample(() => 0, setting.batch)));
      const again = (values: typeof parameters, length: number) => heldOut(runtime, model(setting), values, length);
      const found = await again(parameters, setting.T);
      return {
        ...{ heldOutLoss: found.loss, heldOutAccuracy: found.accuracy, first: found.first, sinkRate: found.sinkRate },
        activationMegabytes: memory.activations / 1e6,
        ...(await after?.({ arm: setting.arm, setting, parameters, found, again })),
      };
    },
  });
}
