import type { ScanResult } from '../../measure/result.ts';
import type { Builder } from './dom.ts';

/** Where the sound that was read is drawn; the page's script fills it. Null where none was read. */
export function soundFigure({ element }: Builder, { input, page }: ScanResult): HTMLElement | null {
  const { spectrogram } = input;
  if (!spectrogram) return null;
  const seconds = Number((spectrogram.columns * spectrogram.columnSeconds).toFixed(2));
  const silent = spectrogram.soundSeconds < seconds;
  const sound = `${Number(spectrogram.soundSeconds.toFixed(2))} s of sound${silent ? `, filled up with silence to ${seconds} s (dimmed)` : ''}`;
  const below = page.cross
    ? 'the attention that each moment receives from the queries of the page'
    : 'the attention that each moment receives';
  return element(
    'div',
    { id: 'spectrogram' },
    element('p', { class: 'soft' }, `The spectrogram: ${sound}; below it ${below}, as its square root.`),
    element(
      'div',
      {},
      element('canvas', {
        id: 'spectrogram-canvas',
        role: 'img',
        'aria-label': `Spectrogram, time across and frequency up: ${sound}. Below it the attention received.`,
      }),
    ),
    element('output', { id: 'spectrogram-output', class: 'brief' }),
  );
}
