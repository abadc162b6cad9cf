import { emergence } from './emergence/experiment.ts';
import type { Experiment } from './experiment.ts';
import { claims } from './registry.ts';

/** Everything that a worker can run, each once: the emergence study and the experiments of all claims. */
export const experiments: readonly Experiment<never, unknown>[] = [
  ...new Set<Experiment<never, unknown>>([
    emergence as Experiment<never, unknown>,
    ...claims.flatMap(({ statements }) => statements.map(({ experiment }) => experiment)),
  ]),
];
