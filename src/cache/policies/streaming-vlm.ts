import type { CachePolicy, PositionRule } from '../policy.ts';
import type { PolicyFile } from '../policy-file.ts';
import { besideSinks } from '../policy-sizes.ts';
import { typedSegments } from '../typed-segments.ts';
import { periodicKinds, type TokenKinds } from '../typed-text.ts';

export interface StreamingVlmOptions {
  /** Which tokens are `text` and which `vision`, and their rounds. */
  readonly text: TokenKinds;
  /** T_sink: the first text tokens, system prompt included. Default 512. */
  readonly textSinks?: number;
  /** T_window: the last text tokens. Default 512. */
  readonly textWindow?: number;
  /** V_window in tokens: the last vision tokens. 0 keeps none beyond its own step. */
  readonly visionWindow: number;
  /** V_window in rounds; the paper has 16 seconds. Default: as long as they are among the last tokens. */
  readonly visionRounds?: number;
  /** Tokens at the start of the text, all of them text, that are known to stay: they are held apart and never turned. Default 0. */
  readonly system?: number;
  /** Default `token`; the released program acts in rounds. */
  readonly decides?: 'token' | 'round';
  /** Most tokens of a round, where rounds decide. */
  readonly roundTokens?: number;
  /** Default `cache-relative`, as published ("contiguous RoPE"). */
  readonly positions?: PositionRule;
}

/**
 * StreamingVLM, 2510.09608: the first `textSinks` text tokens and the last `textWindow`, and of vision the last `visionWindow` alone; what
 * stays is numbered without gaps. Entries keep what they were computed with: nothing is read again. Eviction follows the forward pass, so
 * that a token sees up to sinks + both windows and itself.
 *
 * Left out: vision itself (kinds are what the caller says, on any model of text), the three axes of vision positions
 * (`multimodalPositions` gives them, no model takes them yet), training, and deleting the markers of emptied turns. The released program
 * moves text that leaves its last 16 rounds to the front of all vision; where vision is kept no longer than that, it stands there already.
 */
export function streamingVlm({
  text,
  textSinks = 512,
  textWindow = 512,
  visionWindow,
  visionRounds,
  system = 0,
  decides = 'token',
  roundTokens,
  positions = 'cache-relative',
}: StreamingVlmOptions): CachePolicy {
  return typedSegments({
    text,
    budgets: {
      text: { sinks: textSinks, recent: textWindow },
      vision: { recent: visionWindow, ...(visionRounds === undefined ? {} : { rounds: visionRounds }) },
    },
    ...{ pinned: system, pinnedKind: 'text', decides, positions },
    ...(roundTokens === undefined ? {} : { roundTokens }),
    name: `streaming-vlm: ${textSinks} + ${textWindow} text, ${visionWindow} vision`,
    source: '2510.09608',
    keeps: `the first ${textSinks} text tokens and the last ${textWindow}, and the last ${visionWindow} vision tokens${
      visionRounds === undefined ? '' : ` of at most ${visionRounds} rounds`
    }`,
  });
}

/** On plain text: every round of 32 tokens counts as 8 of text and 24 that stand for vision. */
const round = [
  ['text', 8],
  ['vision', 24],
] as const;

export const policyFile: PolicyFile = {
  name: 'streaming-vlm',
  title: 'StreamingVLM',
  source: '2510.09608',
  idea: 'Kinds of tokens have budgets of their own: the first and a long window of text, a short window of vision, numbered without gaps. On plain text, 24 of every 32 tokens stand for vision.',
  make({ capacity, sinks = 4, positions }) {
    const windows = besideSinks('streaming-vlm', capacity, sinks);
    const textWindow = Math.ceil(windows / 2);
    return streamingVlm({
      ...{ text: periodicKinds(round), textSinks: sinks, textWindow, visionWindow: windows - textWindow },
      system: Math.min(sinks, round[0][1]),
      ...(positions ? { positions } : {}),
    });
  },
};
