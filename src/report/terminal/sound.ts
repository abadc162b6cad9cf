import type { ScanResult } from '../../measure/result.ts';
import { mean } from '../format.ts';
import { type Paint, spark } from './paint.ts';
import { wrap } from './text.ts';

/**
 * How loud the sound is over time, one line that stands under the bars of its S frames: mean over the bands of the spectrogram, a dot for the
 * silence behind the sound. Nothing where no sound was read.
 */
export function loudness({ input }: Pick<ScanResult, 'input'>, S: number, it: Paint): string[] {
  const { spectrogram } = input;
  if (!spectrogram) return [];
  const { bins, columns, columnSeconds, soundSeconds, values } = spectrogram;
  const cells = atob(values);
  const energy = Array.from({ length: columns }, (_, x) =>
    mean(Array.from({ length: bins }, (_, y) => cells.charCodeAt(y * columns + x))),
  );
  const bin = Math.ceil(S / it.width);
  const width = Math.ceil(S / bin);
  const seconds = columns * columnSeconds;
  // The last character may stand for fewer frames than the others.
  const each = (columns * bin) / S;
  const heard = Math.min(width, Math.ceil(soundSeconds / (each * columnSeconds)));
  const means = Array.from({ length: width }, (_, i) =>
    mean(energy.slice(Math.floor(i * each), Math.ceil((i + 1) * each))),
  );
  const line = spark(means.slice(0, heard), 0, 255, false, width) + '·'.repeat(width - heard);
  const silence =
    heard < width ? `; · silence from ${Number(soundSeconds.toFixed(2))} s to ${Number(seconds.toFixed(2))} s` : '';
  return [
    line,
    ...wrap(`the sound over the same time: mean of its ${bins} bands${silence}`, it.width).map(it.style.dim),
  ];
}
