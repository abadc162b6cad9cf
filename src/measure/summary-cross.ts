import { leastQueries } from './sink-tokens.ts';
import type { Summarised } from './summary.ts';
import { figure, percent, quoted } from './summary-words.ts';

/** Which position of the memory receives most, and of a sound how much goes to the silence behind it; nothing where there is no memory. */
export function crossSentences({ page, input }: Pick<Summarised, 'page' | 'input'>): string[] {
  const { cross } = page;
  if (!cross) return [];
  const heads = cross.topKey.flatMap((row) => row ?? []);
  const share = heads.reduce((sum, value) => sum + value, 0) / heads.length;
  const few = input.page.length < leastQueries ? `; a mean over ${input.page.length} queries only` : '';
  return [
    `Cross-attention: key ${cross.top} (${quoted(cross.keys[cross.top]!.text)}) receives most, ${fine(share)} over all layers and heads (under uniform attention ${fine(1 / cross.keys.length)})${few}.`,
    ...silenceSentence({ page, input }),
  ];
}

/** Among many keys shares are small. */
const fine = (share: number) => (share < 0.1 ? `${figure(share * 100, 2)} %` : percent(share));

function silenceSentence({ page, input }: Pick<Summarised, 'page' | 'input'>): string[] {
  const { keys, received } = page.cross!;
  const { spectrogram } = input;
  const silent = keys.flatMap(({ seconds }, s) => (spectrogram && seconds! >= spectrogram.soundSeconds ? [s] : []));
  const rows = received.filter((row) => row !== null);
  if (!spectrogram || silent.length === 0 || rows.length === 0) return [];
  const shares = rows.map((row) => silent.reduce((sum, s) => sum + row[s]!, 0));
  const share = shares.reduce((a, b) => a + b, 0) / shares.length;
  return [
    `The silence that fills the input up behind ${figure(spectrogram.soundSeconds, 3)} s of sound receives ${percent(share)} of the cross-attention (under uniform attention ${percent(silent.length / keys.length)}).`,
  ];
}
