import { freemem, totalmem } from 'node:os';
import { InputError } from '../error.ts';
import { plainBytes } from './terminal.ts';

/** Memory of the machine, or of the container if that is less; and what is free of it. */
export function machineMemory(): { readonly total: number; readonly free: number } {
  // Both are missing in early releases of Node 20.
  const limit = process.constrainedMemory?.() ?? 0;
  const total = limit > 0 && limit < totalmem() ? limit : totalmem();
  return { total, free: Math.min(total, process.availableMemory?.() ?? freemem()) };
}

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
