import type { ScanInput } from '../../src/measure/scan.ts';

/** The same ids in Node and in the page: a text of 80 tokens and three of 64. */
export function describeIds(vocabulary: number): ScanInput {
  const ids = (length: number, stride: number) => Array.from({ length }, (_, i) => (3 + i * stride) % (vocabulary - 3));
  const page = ids(80, 7);
  return {
    page,
    tokens: page.map((id, position) => ({
      position,
      id,
      text: `[${id}]`,
      role: position === 0 ? 'first' : 'text',
      class: 'other',
    })),
    texts: [ids(64, 5), ids(64, 11), ids(64, 13)],
  };
}
