import { escapeText } from './escape.ts';
import { integer } from './format.ts';
import { builder } from './html/dom.ts';
import { policyPanels } from './html/policy-plot.ts';
import type { PoliciesReport } from './policies.schema.ts';
import { lineStyle } from './policies-curves.ts';
import { framed } from './svg-frame.ts';

const strokes = { solid: '——', dashed: '╌╌', dotted: '┈┈' } as const;

/** Loss, memory and time against position as one picture, light and dark. */
export function renderPoliciesSvg(report: PoliciesReport): string {
  const build = builder();
  const { width, height, pictures } = policyPanels(build, report);
  let [x, line] = [16, 50];
  const notes = report.policies.map(({ label }, i) => {
    const { tone, dash } = lineStyle(i);
    const text = `${strokes[dash]} ${escapeText(label)}`;
    const wide = 24 + 7.5 * [...text].length;
    if (x + wide > width && x > 16) [x, line] = [16, line + 20];
    const note = { x, y: line, text, tone };
    x += wide;
    return note;
  });
  const top = line + 14;
  const name = escapeText(report.model.source.split(/[\\/]/).at(-1) ?? '');
  return framed(build, {
    ...{ width, height: height + top, title: `${name}: loss, memory and time under cache policies` },
    heading: `${name}, ${integer(report.text.tokens)} tokens, ${integer(report.capacity)} entries a head`,
    notes,
    pictures: pictures.map((one) => ({ ...one, y: one.y + top })),
  });
}
