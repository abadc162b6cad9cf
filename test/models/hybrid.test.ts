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
      for (const head of received.flat()) expect(head >= 0 && head <= 1).toBe(true);
    },
  );

  it.skipIf(state === undefined)(
    'is refused by name where a layer has no pattern (needs the shared fixtures)',
    async () => {
      await using model = await open(state!);
      await expect(scan(model, { page, tokens })).rejects.toThrow(
        'scan: layers 0, 1, 2 of qwen3_next read a state and have no attention pattern; a scan needs one in every layer. Patterns of the other layers can be captured',
      );
    },
  );
});
