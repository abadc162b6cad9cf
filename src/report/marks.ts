import type { ScanResult } from '../measure/result.ts';

/** A remark beside a layer of a map: in words, or by a letter whose meaning stands in the legend. */
export interface LayerMark {
  letter: string;
  words: string;
  meaning: string;
}

/** What sets a layer apart: that it has no pattern, its window, its learned sink, a massive activation written or erased. What holds for all layers alike is left out. */
export function layerMarks({ model, page, received }: ScanResult): LayerMark[][] {
  const sameWindow = new Set(model.windows.filter((_, l) => received[l])).size < 2;
  const allLearned = model.learnedSinks.length === model.layers;
  return model.windows.map((window, l) => {
    const marks: LayerMark[] = [];
    if (received[l] === null) marks.push({ letter: 'n', words: 'no pattern', meaning: 'no attention pattern (n/a)' });
    else if (window !== null && !sameWindow)
      marks.push({ letter: 'w', words: `window ${window}`, meaning: 'sliding window' });
    if (!allLearned && model.learnedSinks.includes(l))
      marks.push({ letter: 's', words: 'learned sink', meaning: 'learned sink' });
    if (page.written === l) marks.push({ letter: '+', words: 'writes', meaning: 'writes the massive activation' });
    if (page.erased === l) marks.push({ letter: '-', words: 'erases', meaning: 'erases the massive activation' });
    return marks;
  });
}
