import type { Highs } from 'highs';

let solver: Promise<Highs> | undefined;

/** The solver of integer programmes, HiGHS in WebAssembly, loaded when first asked for. */
export function loadSolver(): Promise<Highs> {
  // Its types are those of a CommonJS module; what is imported is a module.
  solver ??= import('highs').then((loaded) => (loaded.default as unknown as () => Promise<Highs>)());
  return solver;
}
