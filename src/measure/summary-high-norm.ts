import type { Summarised } from './summary.ts';
import { figure, quoted } from './summary-words.ts';

/** How many tokens of the page are of high norm and what the longest is; nothing where they are not looked for. */
export function highNormSentences({ page }: Pick<Summarised, 'page'>): string[] {
  if (!page.highNorm) return [];
  const [top] = page.highNorm;
  if (!top) return ['No token of the page has a norm far above that of the others.'];
  const count = page.highNorm.length === 1 ? '1 token' : `${page.highNorm.length} tokens`;
  const place = top.patch
    ? `the patch in row ${top.patch.row}, column ${top.patch.column}`
    : `${quoted(top.text)} at position ${top.position}`;
  return [
    `High norm on the page: ${count}; the longest, ${place}, has ${figure(top.ratio, 2)} × the median after layer ${top.layer}.`,
  ];
}
