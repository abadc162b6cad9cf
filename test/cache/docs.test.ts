import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { policyFiles } from '../../src/cache/registry.ts';

it('the guide lists every policy with its position rule', () => {
  const guide = readFileSync(new URL('../../docs/streaming.md', import.meta.url), 'utf8');
  const listed = [...guide.matchAll(/^\| `([a-z0-9-]+)` \|.*\| (absolute|cache-relative) \|$/gm)].map(
    ([, name, rule]) => [name, rule],
  );
  const sizes = { L: 2, H: 4, G: 4, D: 8, M: 32, V: 97, maxPositions: 2048 };
  const gates = [
    [0.9, 0.1, 0.9, 0.1],
    [0.1, 0.9, 0.1, 0.9],
  ];
  const made = policyFiles.map((file) => [
    file.name,
    file.make({ capacity: 256, longest: 512, gates, sizes }).positions,
  ]);
  expect(listed.sort()).toEqual(made.sort());
});
