import { builder } from './html/dom.ts';
import { mechanismPanels, panelsKey } from './html/mechanism-plot.ts';
import type { MechanismGroup } from './mechanism-groups.ts';
import type { MechanismsReport } from './mechanisms.schema.ts';
import { framed } from './svg-frame.ts';

/** Some mechanisms of a report as one picture, light and dark; undefined where there is nothing to draw. */
export function renderMechanismsSvg(
  report: MechanismsReport,
  groups: readonly MechanismGroup[],
  heading: string,
): string | undefined {
  const build = builder();
  const panels = mechanismPanels(build, groups, report.mechanisms);
  if (!panels) return undefined;
  const top = 68;
  return framed(build, {
    ...{ width: panels.width, height: panels.height + top, title: heading, heading },
    notes: [{ x: 16, y: 50, text: panelsKey(report) }],
    pictures: panels.pictures.map((one) => ({ ...one, y: one.y + top })),
  });
}
