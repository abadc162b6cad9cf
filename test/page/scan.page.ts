import { scan } from '../../src/measure/scan.ts';
import { fetchedModel } from './fetched-model.ts';
import { describeIds } from './scan-input.ts';

/** Scans a fixture in the page, as `scan-input.ts` says. */
export async function scanInPage(folder: string) {
  await using model = await fetchedModel(folder);
  const { alpha, received, sinkRates, page } = await scan(model, describeIds(model.decoder.sizes.V));
  return { alpha, received, sinkRates, largest: page.curves.largest };
}
