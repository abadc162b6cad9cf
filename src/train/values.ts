import type { HostTensor } from '../runtime/backend.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { lower, type Within } from '../tensor/index.ts';
import { type Feeds, weightFeeds } from './feeds.ts';
import type { TrainState } from './state.ts';

/** Values of the parameters as they are, without an update: validation loss, what is watched. */
export interface CompiledValues<N extends string> {
  run(parameters: TrainState['parameters'], feeds: Feeds): Promise<Record<N, HostTensor>>;
}

/** Compiles values over parameters and inputs into one program; they leave in canonical order of axes. */
export async function compileValues<const N extends string>(
  runtime: Runtime,
  values: Readonly<Record<N, Within<string>>>,
): Promise<CompiledValues<N>> {
  const outputs = Object.entries<Within<string>>(values).map(([name, value]) => [name, { value }] as const);
  const program = await runtime.compile(lower(Object.fromEntries(outputs), { weights: 'inputs' }));
  return {
    run: async (parameters, feeds) =>
      (await program.run({ ...feeds, ...weightFeeds(program, parameters) })) as Record<N, HostTensor>,
  };
}
