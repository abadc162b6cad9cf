import { describe, expect, it } from 'vitest';
import { DEFAULT_TEXT } from '../../src/load/default-text.ts';
import { seededRandom } from '../../src/random.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { characters, heldOutTexts } from '../../src/train/toys/characters.ts';
import { trainToy } from '../../src/train/toys/train-toy.ts';

const alphabet = [...new Set(DEFAULT_TEXT)].sort();
const rowsOf = ({ ids }: ReturnType<typeof heldOutTexts>) =>
  Array.from({ length: ids!.shape[0]! }, (_, row) =>
    [...ids!.data.slice(row * ids!.shape[1]!, (row + 1) * ids!.shape[1]!)].map((id) => alphabet[Number(id)]).join(''),
  );

describe('the characters of the text that ships', () => {
  it('are held out from nine tenths on, each once, and batches come from before', () => {
    const learnt = DEFAULT_TEXT.slice(0, Math.floor(0.9 * DEFAULT_TEXT.length));
    const rest = DEFAULT_TEXT.slice(learnt.length);
    const held = rowsOf(heldOutTexts(64));
    expect(rest.startsWith(held.map((row) => row.slice(0, -1)).join(''))).toBe(true);
    expect(held.length * 64).toBeGreaterThan(rest.length - 66);
    const batch = rowsOf(characters({ T: 20 }).sample(seededRandom(3), 50));
    expect(batch).toHaveLength(50);
    for (const row of batch) expect(learnt.includes(row)).toBe(true);
    expect(batch[0]).toHaveLength(21);
  });

  it('are told better than by their frequency after 40 steps', async () => {
    await using runtime = nodeRuntime({ threads: 1 });
    const counts = alphabet.map((one) => DEFAULT_TEXT.split(one).length - 1);
    const entropy = counts.reduce((sum, n) => sum - (n / DEFAULT_TEXT.length) * Math.log(n / DEFAULT_TEXT.length), 0);
    const { values } = await trainToy(characters(), runtime, { steps: 40 });
    expect(entropy).toBeCloseTo(3.0, 1);
    expect(values.languageLoss).toBeLessThan(entropy - 0.2);
  });
});
