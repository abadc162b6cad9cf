import { firstToken } from '../first-token.ts';
import { massiveCriterion, ratioToMedian } from './massive-detector.ts';
import type { MassiveActivation } from './result.ts';
import type { Summarised } from './summary.ts';
import { capitalised, figure, layerList, quoted } from './summary-words.ts';

/** The largest massive activation and the layers that carry it; else the borderline one; else how far the largest entry is from it. */
export function massiveSentence({ page, input }: Summarised): string {
  const { floor, ratio } = massiveCriterion;
  const largest = (entries: MassiveActivation[]) =>
    entries.reduce<MassiveActivation | undefined>(
      (best, entry) => (best && Math.abs(best.value) >= Math.abs(entry.value) ? best : entry),
      undefined,
    );
  const who = (position: number) => {
    const text = input.page[position]?.text;
    return position === 0
      ? firstToken({ input })
      : `position ${position}${text === undefined ? '' : ` (${quoted(text)})`}`;
  };
  const top = largest(page.massive.filter(({ massive }) => massive));
  if (top) {
    const same = page.massive.filter(
      ({ massive, position, dimension }) => massive && position === top.position && dimension === top.dimension,
    );
    const after = capitalised(`after ${layerList(same.map(({ layer }) => layer))}`);
    return `${after} ${who(top.position)} carries a huge number: ${figure(top.value)} at its largest, in dimension ${top.dimension}, ${figure(top.ratio, 2)} × the median of its layer.`;
  }
  const near = largest(page.massive);
  if (near) {
    return `A borderline massive activation: ${figure(near.value)} in dimension ${near.dimension} of ${who(near.position)} after layer ${near.layer}, ${figure(near.ratio, 2)} × the median (the criterion is ${figure(ratio)} ×).`;
  }
  const ratios = page.curves.largest.map(([first], layer) => ratioToMedian(first, page.curves.median[layer]!));
  const reached = figure(Math.max(0, ...ratios), 2);
  return `No massive activation: the largest residual entry is ${reached} × the median of its layer (the criterion: above ${floor} and at least ${figure(ratio)} ×).`;
}
