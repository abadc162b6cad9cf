import { emergence } from './emergence/experiment.ts';
import type { Experiment } from './experiment.ts';
import { mechanismComparison } from './mechanisms/experiment.ts';

/** Everything that a worker can run, by name. */
export const experiments: readonly Experiment<never, unknown>[] = [
  emergence as Experiment<never, unknown>,
  mechanismComparison as Experiment<never, unknown>,
];
