import { describe, expect, it } from 'vitest';
import { scan } from '../../src/measure/scan.ts';
import { familyFolder, open, someIds } from './support.ts';

const page = someIds(20);
const tokens = page.map((id, position) => ({
  ...({ position, id, text: 'x', role: 'text', class: 'letter' } as const),
}));

describe('a scan of layers without softmax', () => {
  const [linear, state] = [familyFolder('minimax'), familyFolder('qwen3_next')];

  it.skipIf(linear === undefined)(
    'measures |w| / Σ|w| where rows sum to anything, and says so (needs the shared fixtures)',
    async () => {
      await using model = await open(linear!);
      const { received, notes } = await scan(model, { page, tokens });
      expect(notes.at(-1)).toBe(
        'Rows of the linear attention of layers 0, 2 sum to anything; they are measured as |w| / Σ|w|.',
      );
      for (const head of received.flat()) expect(head).toSatisfy((value) => Number(value) >= 0 && Number(value) <= 1);
      expect(received).not.toContain(null);
    },
  );

  it.skipIf(state === undefined)(
    'is over the layers that have a pattern, and says which have none (needs the shared fixtures)',
    async () => {
      await using model = await open(state!);
      const { received, notes } = await scan(model, { page, tokens });
      expect(received.map((heads) => heads === null)).toEqual([true, true, true, false]);
      expect(notes.at(-1)).toBe(
        'Layers 0–2 read a state and have no attention pattern: the heads are n/a there, and sink rates are over the heads of layer 3. Residuals are measured in all layers.',
      );
    },
  );
});
