import { InputError } from '../error.ts';
import { machineMemory } from '../runtime/memory-node.ts';
import { plainBytes } from './terminal.ts';

/**
 * Compares what a run takes with what there is, before anything is loaded.
 * @returns a note where it is more than what is free now.
 * @throws InputError, with both figures, where it is more than the machine has.
 */
export function checkMemory(
  needed: number,
  what: string,
  advice: string,
  { total, free } = machineMemory(),
): string | undefined {
  if (needed > total)
    throw new InputError(
      `memory: ${what} takes about ${plainBytes(needed)}, this machine has ${plainBytes(total)}; ${advice}`,
    );
  if (needed > free)
    return `${what} takes about ${plainBytes(needed)}, of which ${plainBytes(free)} are free now; it may be slow or be stopped`;
  return undefined;
}
