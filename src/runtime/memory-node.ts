import { freemem, totalmem } from 'node:os';

/** Memory of the machine, or of the container if that is less; and what is free of it. */
export function machineMemory(): { readonly total: number; readonly free: number } {
  // Both are missing in early releases of Node 20.
  const limit = process.constrainedMemory?.() ?? 0;
  const total = limit > 0 && limit < totalmem() ? limit : totalmem();
  return { total, free: Math.min(total, process.availableMemory?.() ?? freemem()) };
}
