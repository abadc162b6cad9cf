import { mechanismGroups } from './mechanism-groups.ts';
import { mechanismPage } from './mechanism-page.ts';
import type { MechanismsReport } from './mechanisms.schema.ts';
import { mechanismsOverview } from './mechanisms-overview.ts';
import { renderMechanismsSvg } from './mechanisms-svg.ts';

/**
 * The comparison as a folder of Markdown pages with their pictures, text by file name: `README.md` and one page for each mechanism. The same
 * results give the same bytes. `cards` are those that were asked for, none for all.
 */
export function renderMechanismPages(report: MechanismsReport, cards: readonly string[]): Map<string, string> {
  const groups = mechanismGroups(report);
  const files = new Map<string, string>();
  const overview = renderMechanismsSvg(report, groups, 'Attention mechanisms side by side');
  files.set('README.md', mechanismsOverview(report, groups, cards, overview !== undefined));
  if (overview !== undefined) files.set('overview.svg', overview);
  for (const group of groups) {
    const picture = renderMechanismsSvg(report, [group], group.title);
    files.set(`${group.page}.md`, mechanismPage(report, group, picture !== undefined));
    if (picture !== undefined) files.set(`${group.page}.svg`, picture);
  }
  return files;
}
