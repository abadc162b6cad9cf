import type { EmergenceReport } from './emergence.schema.ts';
import { escapeText } from './escape.ts';
import { builder } from './html/dom.ts';
import { emergencePlots } from './html/emergence.ts';
import { framed } from './svg-frame.ts';

/** The first four rows of the first factor as one picture: sinks over the steps beside the held-out loss, one line for each seed. */
export function renderEmergenceSvg({ factors: [factor], seeds }: EmergenceReport): string {
  const build = builder();
  const { title, rows } = factor!;
  const [sink, loss] = emergencePlots(build, rows).map((figure) => figure.querySelector('svg')!);
  const tones = ['sink', 'others', 'third', 'fourth'];
  let x = 16;
  const keys = rows.slice(0, tones.length).map(({ label }, i) => {
    const note = { x, y: 50, text: `${i > 0 ? '╌╌' : '——'} ${escapeText(label)}`, tone: tones[i]! };
    x += 40 + 7.5 * label.length;
    return note;
  });
  return framed(build, {
    ...{ width: 800, height: 310 },
    title: `${escapeText(title)}: sinks over the steps of training`,
    heading: `${escapeText(title)}: sink on the first token and loss, ${seeds.length === 1 ? 'one seed' : `${seeds.length} seeds each`}`,
    notes: keys,
    pictures: [
      { picture: sink!, x: 0, y: 70 },
      { picture: loss!, x: 400, y: 70 },
    ],
  });
}
