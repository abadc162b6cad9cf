import type { Command } from 'commander';
import { InputError } from '../error.ts';
import { whole } from './options.ts';
import type { RunStreamFlags } from './run-stream.ts';
import type { StreamComparisonFlags } from './run-stream-compare.ts';

/** Flags of `stream --compare` beside those of `stream`. */
export interface CompareFlags {
  readonly compare?: string;
  readonly list?: boolean;
  readonly tokens?: number;
  readonly needles?: number;
  readonly needleTokens?: number;
  readonly recomputeEvery?: number;
  readonly limit?: number;
  readonly oneByOne?: boolean;
  readonly out?: string;
  readonly html?: string;
  readonly svg?: string;
}

/** Adds the options of a comparison. */
export function withComparisonOptions(command: Command): Command {
  const many = whole(1, 1_000_000);
  return command
    .option(
      '--compare <names>',
      'compares policies over --file: full,streaming-llm:4,window,… as NAME[:SINKS][@POSITIONS]',
    )
    .option('--list', 'list the policies that can be compared')
    .option('--tokens <n>', 'tokens of the text (default: 2000)', whole(16, 1_000_000))
    .option('--needles <n>', 'facts to be found again at each depth; 0: none (default: 1)', whole(0, 100))
    .option('--needle-tokens <n>', 'tokens of the text around a fact (default: three times the capacity)', many)
    .option('--recompute-every <n>', 'every which token is predicted by recompute (default: 128 in all)', many)
    .option('--limit <n>', 'tokens that a full cache may read (default: those the model was trained for)', many)
    .option('--one-by-one', 'reads every token alone, and times it; otherwise 8 of 64')
    .option('--out <folder>', 'where results of each policy are kept and found again (default: ./sinklab-policies)')
    .option('--html <file>', 'writes plots and tables as one self-contained page')
    .option('--svg <file>', 'writes loss, memory and time against position as one picture');
}

const ofComparison = [
  'tokens',
  'needles',
  'needleTokens',
  'recomputeEvery',
  'limit',
  'oneByOne',
  'out',
  'html',
  'svg',
] as const;
const ofGenerating = [
  ...['prompt', 'ids', 'bos', 'policy', 'sinks', 'positions', 'maxTokens', 'stop', 'stopAtEos', 'save', 'resume'],
  ...['temperature', 'topK', 'topP', 'minP', 'repetitionPenalty'],
];

const optionOf = (name: string) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/**
 * What a comparison is given; undefined where none is asked for. `isGiven`: does the option stand in the command line?
 * @throws InputError for options that have no meaning then.
 */
export function comparisonFlags(
  model: string | undefined,
  flags: RunStreamFlags & CompareFlags,
  isGiven: (name: string) => boolean,
): StreamComparisonFlags | undefined {
  const { compare, recomputeEvery, out = './sinklab-policies', ...others } = flags;
  if (compare === undefined) {
    const alone = ofComparison.find(isGiven);
    if (alone !== undefined) throw new InputError(`${optionOf(alone)}: is for --compare; name the policies with it`);
    return undefined;
  }
  const useless = ofGenerating.find(isGiven);
  if (useless !== undefined)
    throw new InputError(
      `${optionOf(useless)}: has no meaning with --compare, which reads --file; sinks and positions are part of a name, as in streaming-llm:8@absolute`,
    );
  const { json, file, tokens, needles, needleTokens, limit, oneByOne, html, svg } = others;
  const { capacity, weights, seed, system, threads, device, revision, offline, verbose } = others;
  const defined = Object.fromEntries(
    Object.entries({
      ...{ model, json, file, tokens, needles, needleTokens, limit, oneByOne, html, svg, stride: recomputeEvery },
      ...{ system, threads, revision, offline, verbose },
    }).filter(([, value]) => value !== undefined),
  );
  return { compare, out, capacity, weights, seed, device, ...defined };
}
