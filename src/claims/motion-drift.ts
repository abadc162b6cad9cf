import { ChunkStream } from '../cache/motion/chunk-stream.ts';
import { normal, seededRandom, seedFor } from '../random.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { type Clip, clipTokens, conditionOf, frameErrors, latentsOf, motionClip } from '../train/toys/motion-clips.ts';
import { motionSizes } from '../train/toys/motion-stream.ts';

/** What is done to the sink once it is there. */
export const sinkChanges = ['as it is', 'of the next clip', 'values zero'] as const;
export type SinkChange = (typeof sinkChanges)[number];

export interface DriftOptions {
  readonly runtime: Runtime;
  readonly parameters: ReadonlyMap<string, Float32Array<ArrayBuffer>>;
  readonly sinks: number;
  readonly window: number;
  /** Is the identity told with every frame? */
  readonly told: boolean;
  readonly chunks: number;
  readonly clips: number;
  readonly change?: SinkChange;
  readonly signal?: AbortSignal;
}

export interface Drift {
  /** By chunk, means over clips and frames: distance from the identity of the clip, and of the next clip. */
  readonly identity: number[];
  readonly nextIdentity: number[];
  /** By chunk: distance from the commanded place, frames weighed by the energy of what is seen. A blob that faded is nowhere. */
  readonly control: number[];
  /** [L, H], mean over the second half of the chunks: attention to the sink chunks. */
  readonly sinkShare: number[];
}

const frames = 3;

/** Streams clips far past the length of training, and compares what comes with the clips as they should be. */
export async function driftOf(options: DriftOptions): Promise<Drift> {
  const { runtime, parameters, sinks, window, told, chunks, clips: B, change = 'as it is', signal } = options;
  const random = seededRandom(seedFor(0, 'clips for the drift'));
  const clips = Array.from({ length: B }, () => motionClip(random, chunks * frames));
  const stream = new ChunkStream({
    ...{ runtime, parameters, sizes: motionSizes, window: { frames, sinks, window }, batch: B },
    noise: normal(seededRandom(seedFor(0, 'noise for the drift'))),
  });
  const drift: Drift = { identity: [], nextIdentity: [], control: [], sinkShare: [] };
  for (let chunk = 0; chunk < chunks; chunk++) {
    signal?.throwIfAborted();
    const shown = (clip: Clip) => clip.places.slice(chunk * frames, (chunk + 1) * frames);
    const condition = clips.flatMap((clip) =>
      shown(clip).flatMap((place) => conditionOf(place, told ? clip.identity : undefined)),
    );
    const truth = () =>
      Float32Array.from(clips.flatMap((clip) => shown(clip).flatMap((place) => latentsOf(place, clip.identity))));
    const made = await stream.next({
      condition: Float32Array.from(condition),
      ...(chunk === 0 ? { given: { latents: truth(), frames: [0] } } : {}),
    });
    if (chunk === sinks - 1) changeSinks(stream, sinks, change);
    const width = clipTokens * motionSizes.latent;
    const errors = clips.flatMap((clip, b) =>
      shown(clip).map((place, f) => {
        const latents = made.latents.subarray((b * frames + f) * width, (b * frames + f + 1) * width);
        const next = clips[(b + 1) % B]!.identity;
        return { ...frameErrors(latents, place, clip.identity), next: frameErrors(latents, place, next).identity };
      }),
    );
    const average = (of: (error: (typeof errors)[number]) => number) =>
      errors.reduce((sum, error) => sum + of(error), 0) / errors.length;
    drift.identity.push(average(({ identity }) => identity));
    drift.nextIdentity.push(average(({ next }) => next));
    drift.control.push(average(({ control, energy }) => control * energy) / average(({ energy }) => energy));
    if (chunk >= chunks / 2)
      made.sinkShare.forEach((share, head) => {
        drift.sinkShare[head] = (drift.sinkShare[head] ?? 0) + share / Math.ceil(chunks / 2);
      });
  }
  return drift;
}

/** Gives every clip the sinks of the one after it, or takes away what they say while they are still looked at. */
function changeSinks({ cache }: ChunkStream, sinks: number, change: SinkChange): void {
  const { L, H, D } = cache.sizes;
  const row = cache.keys.length / (L * cache.B);
  const held = sinks * cache.chunkTokens * H * D;
  if (change === 'values zero')
    for (let at = 0; at < cache.values.length; at += row) cache.values.fill(0, at, at + held);
  if (change !== 'of the next clip') return;
  for (const data of [cache.keys, cache.values]) {
    const before = data.slice();
    for (let layer = 0; layer < L; layer++)
      for (let b = 0; b < cache.B; b++) {
        const from = (layer * cache.B + ((b + 1) % cache.B)) * row;
        data.set(before.subarray(from, from + held), (layer * cache.B + b) * row);
      }
  }
}
