import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { gated } from '../../src/attention/mechanisms/gated-attention.ts';
import { rotary } from '../../src/attention/positions/rope-frequencies.ts';
import { openFile } from '../../src/load/bytes-node.ts';
import { openSafetensorsFile } from '../../src/load/safetensors-file.ts';
import { fixtures } from '../fixtures.ts';
import { naiveGated } from './naive/gated-attention.ts';
import { runLayer, worst } from './support.ts';

const sizes = { H: 4, G: 2, D: 8, M: 32 };
const epsilon = 1e-6;
const tensors = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'q_norm', 'k_norm'];

const folderOf = (name: string) => {
  const folder = fixtures();
  return folder === undefined ? undefined : join(folder, 'families', name);
};

describe.each(['qwen3_next', 'qwen3_5'])('the softmax layer of %s', (name) => {
  const folder = folderOf(name);
  const present = folder !== undefined && existsSync(join(folder, 'expected.safetensors'));
  const reason = present ? '' : ' (skipped: the shared fixtures are not here)';

  async function layer() {
    const open = async (file: string) => {
      const opened = await openSafetensorsFile(await openFile(join(folder!, file)));
      onTestFinished(() => opened.close());
      return opened;
    };
    const [model, reference] = [await open('model.safetensors'), await open('expected.safetensors')];
    const stored = async (tensor: string) => model.read(`model.layers.3.self_attn.${tensor}.weight`);
    const weights = Object.fromEntries(
      await Promise.all(tensors.map(async (one) => [one, await stored(one)] as const)),
    );
    const given = await reference.read('output.attn_in.3');
    const [B, T, M] = reference.tensors.get('output.attn_in.3')!.shape as [number, number, number];
    const x = Array.from({ length: B }, (_, b) =>
      Array.from({ length: T }, (_, t) => [...given.subarray((b * T + t) * M, (b * T + t + 1) * M)]),
    );
    const [output, pattern] = [await reference.read('output.attn_out.3'), await reference.read('output.attentions.0')];
    return { weights, x, output, pattern };
  }

  it.skipIf(!present)(
    `is gated at its heads' outputs, stored per query head, with norms of weight + 1${reason}`,
    async () => {
      const { weights, x, output, pattern } = await layer();
      const mechanism = gated({ position: 'sdpa-output', layout: 'query-head', headNorms: { offset: 1 } });
      const turn = rotary({ kind: 'default', theta: 10_000, partial: 0.25 }, sizes.D);
      for (const watched of [true, false]) {
        const run = await runLayer(mechanism, x, {
          weights: Object.fromEntries(Object.entries(weights).map(([one, values]) => [`${one}.weight`, values])),
          site: { sizes, epsilon, position: { rotary: turn } },
          hooks: watched ? ['attn.hook_pattern'] : [],
          watched,
        });
        expect(worst(run.output, output)).toBeLessThan(1e-5);
        if (watched)
          expect(worst(run.hooks.get('attn.hook_pattern')!.data as Float32Array, pattern)).toBeLessThan(1e-5);
      }
    },
  );

  it.skipIf(!present)(`is what the naive loops compute, and not in the other layout${reason}`, async () => {
    const { weights, x, output } = await layer();
    const gate = { position: 'sdpa-output', normOffset: 1, epsilon, turning: 2 } as const;
    const naive = (layout: 'query-head' | 'key-value-group') =>
      x.flatMap((text) => naiveGated(text, weights, sizes, { ...gate, layout }).output.flat());
    expect(worst(naive('query-head'), output)).toBeLessThan(1e-5);
    expect(worst(naive('key-value-group'), output)).toBeGreaterThan(1e-3);
  });
});
