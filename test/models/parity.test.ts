import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { verify } from '../../src/models/verify.ts';
import { bundled, fixtures } from '../fixtures.ts';
import { absent, open, openReference, present, supported } from './support.ts';

/** Everything that was compared, by lowering and kind, and whether it holds. */
async function check(path: string, expected: string, config?: string) {
  await using model = await open(path, config);
  const result = await verify(model, await openReference(expected));
  const kinds = new Set(
    result.comparisons.map(({ lowering, tensor, kind }) => `${lowering} ${tensor.split('.')[0]} ${kind}`),
  );
  const { holds, first, missing, misplaced, unknown } = result;
  return { holds, first, missing, misplaced, unknown, kinds: [...kinds] };
}

const right = { holds: true, first: undefined, missing: [], misplaced: [], unknown: [] };
const plain = ['embeddings', 'attn_in', 'attn_out', 'hidden_states', 'logits'].flatMap((kind) => [
  `watched output ${kind}`,
  `fast output ${kind}`,
]);
const everything = [
  ...plain,
  'watched output attentions',
  'watched output rows + sink',
  'watched padded logits',
  'fast padded logits',
];

/** Families whose references hold no padded prompts. */
const unpadded = ['doge', 'minimax', 'qwen3_next', 'qwen3_5', 'gpt_oss_mxfp4', 'lfm3'];
/** What linear layers hand out instead of a pattern: weights inside the blocks that their sum is computed in. */
const incomparable: Record<string, string[]> = { minimax: ['output.attentions.0', 'output.attentions.2'] };
/** Families whose references do not hold what attention was given and gave back. */
const withoutModules = ['gpt_oss_mxfp4'];
/** Families whose references hold the mass on a learned sink. */
const withSinks = ['gpt_oss', 'gpt_oss_mxfp4', 'mimo_v2_flash', 'flint'];

describe.each(present)('%s', (name, folder) => {
  it.each(['config.json', 'config.v5.json'])(
    'agrees with its reference, read by %s, in both lowerings, padded too',
    async (config) => {
      const { kinds, ...rest } = await check(folder, join(folder, 'expected.safetensors'), config);
      expect(rest).toEqual({ ...right, unknown: incomparable[name] ?? [] });
      const wanted = everything.filter(
        (kind) =>
          !(unpadded.includes(name) && kind.includes('padded')) &&
          !(withoutModules.includes(name) && kind.includes('attn_')),
      );
      expect(kinds).toEqual(
        expect.arrayContaining(withSinks.includes(name) ? [...wanted, 'watched output sinks'] : wanted),
      );
    },
  );
});

it.skipIf(absent.length > 0)(
  `all ${supported.length} folders were compared (needs the shared fixtures: SINKLAB_FIXTURES)`,
  () => {
    expect(present.map(([name]) => name)).toEqual(supported);
  },
);

describe('GGUF', () => {
  const shared = fixtures();
  const folder = (name: string) =>
    shared !== undefined && existsSync(join(shared, 'gguf', `${name}.gguf`)) ? join(shared, 'gguf') : bundled('gguf');
  for (const name of ['llama-f32', 'llama-q8_0', 'qwen2-f32', 'qwen2-q8_0']) {
    const path = join(folder(name), name);
    it.skipIf(!existsSync(`${path}.gguf`))(
      `${name} agrees with its reference (needs the shared fixtures, llama-q8_0 apart)`,
      async () => {
        const { kinds, ...rest } = await check(`${path}.gguf`, `${path}.expected.safetensors`);
        expect(rest).toEqual(right);
        expect(kinds).toEqual(
          expect.arrayContaining(['watched output attentions', 'watched output logits', 'fast output logits']),
        );
      },
    );
  }
});

describe('other sizes and seeds', () => {
  const root = process.env.SINKLAB_ODD_FIXTURES;
  const found =
    root === undefined ? [] : readdirSync(root).filter((name) => existsSync(join(root, name, 'expected.safetensors')));
  it.skipIf(found.length === 0)('agree too (needs SINKLAB_ODD_FIXTURES: folders as the fixtures have)', async () => {
    for (const name of found.filter((one) => supported.includes(one)))
      expect({ name, ...(await check(join(root!, name), join(root!, name, 'expected.safetensors'))) }).toMatchObject({
        ...right,
        // How many linear layers there are goes with the sizes.
        unknown: name in incomparable ? expect.any(Array) : [],
      });
  });
});
