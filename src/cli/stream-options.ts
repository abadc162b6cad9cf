import { type Command, InvalidArgumentError, Option } from 'commander';
import { type PositionRule, positionRules } from '../cache/policy.ts';
import { policyFiles } from '../cache/registry.ts';
import type { SamplerOptions } from '../cache/sampler.ts';
import { type WeightPrecision, weightPrecisions } from '../models/weight-data.ts';
import { type ModelOptions, positive, whole, withModelOptions } from './options.ts';

/** Flags of `stream` and `chat`: the cache, the sampler, the system prompt. */
export interface StreamFlags extends ModelOptions, Omit<SamplerOptions, 'repetitionWindow'> {
  readonly policy: string;
  readonly capacity: number;
  readonly sinks?: number;
  readonly positions?: PositionRule;
  readonly weights: WeightPrecision;
  readonly system?: string;
  readonly stop?: readonly string[];
  readonly maxTokens?: number;
  readonly seed: number;
}

/** A number within bounds; `above` leaves the lower one out. */
const real =
  (min: number, max: number, what: string, above = false) =>
  (text: string): number => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if ((above ? value > min : value >= min) && value <= max) return value;
    throw new InvalidArgumentError(`expected ${what}`);
  };

const repeated = (text: string, before: readonly string[] = []): string[] => {
  if (text === '') throw new InvalidArgumentError('expected one character or more');
  return [...before, text];
};

/** Adds the options that both commands take. Choices are drawn at temperature 0.8 and min-p 0.05 unless it is said otherwise. */
export function withStreamOptions(command: Command): Command {
  const names = policyFiles.map(({ name }) => name);
  command
    .addOption(new Option('--policy <name>', 'what the cache keeps').choices(names).default('streaming-llm'))
    .option('--capacity <n>', 'entries that each head keeps, sinks included', whole(1, 10_000_000), 256)
    .option('--sinks <n>', "first tokens that stay (default: the policy's own)", whole(0, 1_000_000))
    .addOption(
      new Option('--positions <rule>', 'how positions are counted (default: as published)').choices(positionRules),
    )
    .addOption(new Option('--weights <how>', 'how matrices are held').choices(weightPrecisions).default('stored'))
    .option('--system <text>', 'system prompt, through the chat template; it is pinned as the sinks')
    .option('--temperature <number>', '0 is greedy', real(0, 1e6, 'a number from 0'), 0.8)
    .option('--top-k <n>', 'only the k most likely tokens', whole(1, 10_000_000))
    .option('--top-p <number>', 'only the fewest tokens of that share', real(0, 1, 'a number above 0, to 1', true))
    .option(
      '--min-p <number>',
      'only tokens that are not less likely than this share of the first',
      real(0, 1, 'a number from 0 to 1'),
      0.05,
    )
    .option('--repetition-penalty <number>', 'divides the logits of the last 64 tokens', positive)
    .option('--seed <n>', 'seed of the choices', whole(0, 2 ** 31 - 1), 0)
    .option('--stop <text>', 'ends where this is written; may be repeated', repeated);
  return withModelOptions(command);
}

/** The sampler that the flags ask for. */
export function samplerOf(flags: StreamFlags): SamplerOptions {
  const { temperature, topK, topP, minP, repetitionPenalty, seed } = flags;
  return { temperature, topK, topP, minP, repetitionPenalty, seed };
}
