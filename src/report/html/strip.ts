import type { ScanResult } from '../../measure/result.ts';
import { escapeText } from '../escape.ts';
import { fromQueries } from '../words.ts';
import type { Builder } from './dom.ts';
import { soundFigure } from './sound.ts';

/** Attention received by each position of the page: a text as a strip, a picture under its attention, a sound above it; the page's script fills it. */
export function stripSection(build: Builder, result: ScanResult): HTMLElement {
  const { element } = build;
  const { input, page } = result;
  const patches = input.page.some(({ patch }) => patch);
  const pictured = input.picture !== undefined && patches;
  const frames = input.page.some(({ role }) => role === 'frame');
  const scale = pictured ? ', of patches up to the largest of them' : frames ? ', up to the largest of a frame' : '';
  const strip = element('div', {
    id: 'strip',
    class: 'strip',
    role: 'listbox',
    'aria-label': 'tokens of the page',
    'aria-orientation': 'horizontal',
  });
  return element(
    'section',
    {},
    element('h2', {}, 'Attention received by each token'),
    element(
      'p',
      { class: 'soft' },
      `${escapeText(input.source)}, ${input.page.length} tokens; colour is the square root of the share ${fromQueries(result)}${scale}. Sinks are ${patches ? 'framed' : 'underlined'}${page.highNorm && patches ? ', tokens of high norm dotted' : ''}.`,
    ),
    element(
      'div',
      { class: 'controls' },
      element(
        'label',
        {},
        'attention in ',
        element('select', { id: 'strip-layer', 'aria-label': 'layer of the strip' }),
      ),
      element('span', { class: 'soft', id: 'strip-scale' }),
    ),
    page.cross ? null : soundFigure(build, result),
    pictured ? element('div', { class: 'pictured' }, picture(build), strip) : strip,
    element('output', { id: 'strip-output', 'aria-live': 'polite' }),
  );
}

function picture({ element }: Builder): HTMLElement {
  return element(
    'div',
    { class: 'picture' },
    element('canvas', {
      id: 'picture-canvas',
      role: 'img',
      'aria-label':
        'The picture under the attention that its patches receive, its sinks framed and its patches of high norm dotted; the patches follow as a list.',
    }),
    element(
      'label',
      { class: 'soft' },
      element('input', { id: 'picture-heat', type: 'checkbox', checked: true }),
      'attention over the picture',
    ),
  );
}
