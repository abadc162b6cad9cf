import { ChunkStream, type ChunkStreamOptions, type MadeChunk } from '../../src/cache/motion/chunk-stream.ts';
import { type FlowInput, type FlowSizes, flowDecoder } from '../../src/models/flow/flow-decoder.ts';
import { normal, seededRandom } from '../../src/random.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { input } from '../../src/tensor/index.ts';
import { parametersOf } from '../../src/train/parameter.ts';

export const tiny: FlowSizes = { L: 2, H: 2, D: 8, F: 24, tokens: 2, latent: 3, condition: 4 };

/** Inputs of T tokens, by the names that the stream uses. */
export function flowInputs({ latent, condition }: FlowSizes, T: number): FlowInput {
  return {
    latents: input('latents', { B: 'B', T, latent }),
    time: input('time', { B: 'B', T }),
    condition: input('condition', { B: 'B', T, condition }),
    given: input('given', { B: 'B', T, latent }),
    isGiven: input('is_given', { B: 'B', T }),
    places: input('places', { T }, 'int64'),
    positions: input('positions', { T }, 'int64'),
  };
}

/** Parameters drawn from a seed, large enough that attention is far from uniform. */
export function randomParameters(sizes: FlowSizes, seed = 1): Map<string, Float32Array<ArrayBuffer>> {
  const draw = normal(seededRandom(seed));
  const parameters = parametersOf([flowDecoder(sizes, flowInputs(sizes, 4)).velocity]);
  return new Map(
    parameters.map(({ name, shape }) => {
      const length = shape.reduce((a, b) => a * b, 1);
      const scale = shape.length === 1 ? 1 : (shape.at(-1)! as number) ** -0.5;
      return [name, Float32Array.from({ length }, () => scale * draw())] as const;
    }),
  );
}

/** Conditions of one chunk, and the first frame given in the first. */
export function requestOf({ sizes, window, batch = 1 }: Omit<ChunkStreamOptions, 'noise'>, chunk: number, seed = 7) {
  const draw = normal(seededRandom(seed + chunk));
  const condition = Float32Array.from({ length: batch * window.frames * sizes.condition }, draw);
  const latents = Float32Array.from({ length: batch * window.frames * sizes.tokens * sizes.latent }, draw);
  return { condition, ...(chunk === 0 ? { given: { latents, frames: [0] } } : {}) };
}

/** The first chunks of a stream with seeded noise. */
export async function streamed(
  options: Omit<ChunkStreamOptions, 'noise' | 'runtime'> & { readonly runtime: Runtime },
  chunks: number,
  each: (stream: ChunkStream) => void = () => {},
): Promise<MadeChunk[]> {
  const stream = new ChunkStream({ ...options, noise: normal(seededRandom(11)) });
  const made: MadeChunk[] = [];
  for (let chunk = 0; chunk < chunks; chunk++) {
    each(stream);
    made.push(await stream.next(requestOf(options, chunk)));
  }
  return made;
}
