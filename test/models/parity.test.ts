import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openLocal } from '../../src/load/open-local.ts';
import { createModel, type Model } from '../../src/models/model.ts';
import { verify } from '../../src/models/verify.ts';
import { bundled, fixtures } from '../fixtures.ts';
import { absent, open, openReference, present, supported } from './support.ts';

/** Everything that was compared, by lowering and kind, and whether it holds. */
async function check(model: Model, expected: string) {
  const result = await verify(model, await openReference(expected));
  const kinds = new Set(
    result.comparisons.flatMap(({ lowering, tensor, kind, part }) =>
      [tensor.split('.')[0], ...(part === undefined ? [] : [part])].map((of) => `${lowering} ${of} ${kind}`),
    ),
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
const unpadded = [
  'doge',
  'minimax',
  'qwen3_next',
  'qwen3_5',
  'gpt_oss_mxfp4',
  'lfm3',
  'openai_privacy_filter',
  'hy_v4',
  'deepseek_v4',
  'deepseek_v4_compressed',
];
/** What linear layers hand out instead of a pattern: weights inside the blocks that their sum is computed in. */
const incomparable: Record<string, string[]> = {
  minimax: ['output.attentions.0', 'output.attentions.2'],
  // Of two stacks together.
  clip: ['output.logits_per_image', 'output.logits_per_text'],
};
/** Encoders of text, whose references hold no modules either. */
const encoders = ['bert', 'roberta', 'distilbert', 'electra', 'modernbert', 'openai_privacy_filter'];
/** Families whose references do not hold what attention was given and gave back. */
const withoutModules = [...encoders, 'gpt_oss_mxfp4', 'hy_v4', 'deepseek_v4'];
/** Families whose references hold the mass on a learned sink. */
const withSinks = [
  ...['gpt_oss', 'gpt_oss_mxfp4', 'mimo_v2_flash', 'flint'],
  ...['deepseek_v4', 'deepseek_v4_compressed', 'hy_v4', 'hy_v4_heads', 'openai_privacy_filter'],
];
/** Two stacks, whose references hold neither padded prompts nor what attention was given and gave back. */
const encoderDecoders = ['t5', 't5_v1_1', 'whisper'];
const ofTwoStacks = [
  ...['encoder', 'decoder'].flatMap((part) => [
    ...['embeddings', 'hidden_states'].flatMap((kind) => [`watched ${part} ${kind}`, `fast ${part} ${kind}`]),
    ...[`watched ${part} attentions`, `watched ${part} rows + sink`],
  ]),
  ...['watched encoder last_hidden_state', 'fast encoder last_hidden_state'],
  ...['watched decoder cross_attentions', 'watched decoder logits', 'fast decoder logits'],
];
/** Readers of pictures, whose references hold neither padded inputs nor what attention was given and gave back; by stack. */
const seen = (part: string, outputs = 'outputs') => [
  ...['embeddings', 'hidden_states', outputs].flatMap((kind) => [`watched ${part} ${kind}`, `fast ${part} ${kind}`]),
  ...[`watched ${part} attentions`, `watched ${part} rows + sink`],
];
const ofPictures: Record<string, string[]> = {
  ...Object.fromEntries(
    ['vit', 'deit', 'dinov2', 'dinov2_with_registers', 'dinov3_vit', 'siglip_vision'].map((one) => [
      one,
      seen('output'),
    ]),
  ),
  clip: [...seen('text'), ...seen('vision')],
  llava: [...seen('language', 'logits'), 'watched vision outputs', 'fast vision outputs'],
};

describe.each(present)('%s', (name, folder) => {
  it('agrees with its reference, read by either spelling of its configuration, in both lowerings, padded too', async () => {
    await using model = await open(folder);
    const checkpoint = await openLocal(folder, { config: 'config.v5.json' });
    onTestFinished(() => checkpoint.close());
    // The same programs are compiled once.
    const other = createModel({ checkpoint, runtime: model.runtime });
    for (const [config, one] of Object.entries({ 'config.json': model, 'config.v5.json': other })) {
      const { kinds, ...rest } = await check(one, join(folder, 'expected.safetensors'));
      expect({ config, ...rest }).toEqual({ config, ...right, unknown: incomparable[name] ?? [] });
      const wanted = encoderDecoders.includes(name)
        ? ofTwoStacks
        : (ofPictures[name] ?? everything).filter(
            (kind) =>
              !(unpadded.includes(name) && kind.includes('padded')) &&
              !(withoutModules.includes(name) && kind.includes('attn_')),
          );
      expect(kinds).toEqual(
        expect.arrayContaining(withSinks.includes(name) ? [...wanted, 'watched output sinks'] : wanted),
      );
    }
  });
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
        await using model = await open(`${path}.gguf`);
        const { kinds, ...rest } = await check(model, `${path}.expected.safetensors`);
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
    for (const name of found.filter((one) => supported.includes(one))) {
      await using model = await open(join(root!, name));
      expect({ name, ...(await check(model, join(root!, name, 'expected.safetensors'))) }).toMatchObject({
        ...right,
        // How many linear layers there are goes with the sizes.
        unknown: name in incomparable ? expect.any(Array) : [],
      });
    }
  });
});
