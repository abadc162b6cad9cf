import type { z } from 'zod';
import type { Runtime } from '../runtime/runtime.ts';

/** What an experiment is given to run one shard with. */
export interface ExperimentContext {
  readonly runtime: Runtime;
  readonly signal?: AbortSignal;
  /** From 0 to 1. */
  readonly progress?: (share: number) => void;
}

/**
 * An experiment whose runs are independent of each other: a setting and a seed decide the result. Both are plain data checked by a schema,
 * so that a run can be done by any process on any machine and its result kept.
 */
export interface Experiment<S = unknown, R = unknown> {
  readonly name: string;
  /** To be raised when the same setting gives another result than before: kept results of an older version are not used. */
  readonly version: number;
  readonly setting: z.ZodType<S>;
  readonly result: z.ZodType<R>;
  run(setting: S, seed: number, context: ExperimentContext): Promise<R>;
  /** Is a result worth keeping? Default: always. Not, where it only says that something was missing. */
  keeps?(result: R): boolean;
}
