import type { CrossAttention, ScanResult } from '../../measure/result.ts';
import type { Builder } from './dom.ts';
import { measuredPlots } from './plots.ts';
import { soundFigure } from './sound.ts';

/** Where attention to what an encoder gave is drawn, one head at a time; the page's script fills it. */
export function crossSection(build: Builder, result: ScanResult, { keys, measured }: CrossAttention): HTMLElement {
  const { element } = build;
  const curves = measured.filter((one) => one.kind === 'curves');
  return element(
    'section',
    {},
    element('h2', {}, 'Cross-attention'),
    element(
      'p',
      { class: 'soft' },
      `Attention of each query of the page (down) over the ${keys.length} positions that the encoder gave (across); colour is the square root of the share, up to the largest of the head.`,
    ),
    soundFigure(build, result),
    element(
      'div',
      { class: 'controls', id: 'cross-controls' },
      element(
        'label',
        {},
        'head ',
        element('select', { id: 'cross-head', 'aria-label': 'head of the cross-attention' }),
      ),
      element('span', { class: 'soft', id: 'cross-scale' }),
    ),
    element(
      'div',
      { id: 'cross' },
      element('canvas', {
        id: 'cross-canvas',
        tabindex: 0,
        role: 'application',
        'aria-label': 'Cross-attention, queries down and keys across. Arrow keys move the cell that is read out below.',
      }),
    ),
    element('output', { id: 'cross-output', 'aria-live': 'polite' }),
    element('div', { class: 'grid' }, ...measuredPlots(build, curves)),
  );
}
