import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { bundled } from './child.ts';

it('the same seed gives the same bits in three processes of four threads: losses and weights of a toy, and of a llama whose few ids repeat', async () => {
  const program = await bundled('same');
  const outputs: string[] = [];
  for (let i = 0; i < 3; i++) outputs.push((await promisify(execFile)(process.execPath, [program])).stdout);
  const { toy, llama, hashes } = JSON.parse(outputs[0]!);
  expect([toy.length, llama.length]).toEqual([8, 6]);
  // Numbers that were trained: both losses fell.
  expect(llama.at(-1)).toBeLessThan(0.7 * llama[0]);
  expect(toy.at(-1)).toBeLessThan(toy[0]);
  expect(new Set(hashes).size).toBe(2);
  // JSON writes the shortest text that gives the same double back, so equal text is equal bits.
  expect(outputs[1]).toBe(outputs[0]);
  expect(outputs[2]).toBe(outputs[0]);
});
