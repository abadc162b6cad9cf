import type { HostTensor } from '../runtime/backend.ts';
import type { Program } from '../runtime/runtime.ts';
import { type Graph, lower, type Output } from '../tensor/index.ts';
import { weightsInPlace } from './in-place.ts';
import type { Model } from './model.ts';

/** A program over a model's weights: read in place where the runtime can, else to be fed (`weightFeeds`). */
export async function compileOver(
  { runtime, checkpoint, weightShapes }: Model,
  outputs: Readonly<Record<string, Output>>,
): Promise<{ readonly graph: Graph; readonly program: Program }> {
  const inPlace = runtime.backend.device === 'cpu' ? weightsInPlace(checkpoint, weightShapes.keys()) : undefined;
  const graph = lower(outputs, { weights: inPlace?.storage ?? 'inputs' });
  return { graph, program: await runtime.compile(graph, inPlace ? { weightFolder: inPlace.folder } : {}) };
}

/** The weights that a graph is fed with, by the names of its inputs. */
export async function weightFeeds({ weights }: Model, graph: Graph): Promise<Record<string, HostTensor>> {
  const data = await Promise.all(graph.weights.map(({ weight }) => weights.get(weight)));
  const feeds: Record<string, HostTensor> = {};
  graph.weights.forEach(({ input, shape }, i) => {
    feeds[input] = { type: 'float32', shape, data: data[i]! };
  });
  return feeds;
}
