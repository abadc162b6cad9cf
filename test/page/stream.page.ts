import type { WeightPrecision } from '../../src/models/weight-data.ts';
import { fetchedModel } from './fetched-model.ts';
import { greedyStream } from './stream-input.ts';

/** Streams a model in the page, as `stream-input.ts` says. */
export async function streamInPage(folder: string, weights: WeightPrecision) {
  await using model = await fetchedModel(folder);
  return await greedyStream(model, weights);
}
