import { join } from 'node:path';
import { expect, it } from 'vitest';
import { interpolatedSlopes } from '../../src/attention/positions/position-bias.ts';
import type { Edits } from '../../src/models/hooks.ts';
import { run } from '../../src/models/run.ts';
import { add, cast, constant, iota, multiply, type Tensor } from '../../src/tensor/index.ts';
import { familyFolder, furthest, open, openReference } from './support.ts';

const folder = familyFolder('falcon_alibi');

// The reference adds ALiBi both to its mask and to its scores when it gives patterns out, and once, as the model was trained, when it does not.
it.skipIf(folder === undefined)(
  'Falcon with ALiBi agrees with its reference, which counts ALiBi twice, once ALiBi is added a second time (needs the shared fixtures)',
  async () => {
    await using model = await open(folder!);
    const { H, D, L } = model.decoder.sizes;
    const reference = await openReference(join(folder!, 'expected.safetensors'));
    const [B, T] = reference.tensors.get('input.input_ids')!.shape as [number, number];
    const flat = Array.from(await reference.read('input.input_ids'));
    const ids = Array.from({ length: B }, (_, b) => flat.slice(b * T, (b + 1) * T));
    const slopes = constant(
      interpolatedSlopes(H).map((slope) => slope * D ** -0.5),
      { G: H, R: 1 },
    );
    const again = multiply(cast(iota('S', 'T'), 'float32'), slopes);
    const edit = { 'blocks.*.attn.hook_attn_scores': (scores: Tensor<string>) => add(scores, again as never) } as Edits;
    const capture = ['blocks.*.attn.hook_pattern', 'blocks.*.attn.hook_out', 'blocks.*.hook_out'] as const;
    const { logits, captured } = await run(model, { ids }, { capture, edit });
    const far = async (ours: unknown, name: string) =>
      furthest(ours as Float32Array, await reference.read(`output.${name}`));
    expect(await far(logits!.data, 'logits')).toBeLessThan(1e-4);
    for (let layer = 0; layer < L; layer++) {
      const of = (hook: 'attn.hook_pattern' | 'attn.hook_out' | 'hook_out') =>
        captured.get(`blocks.${layer}.${hook}`)!.data;
      expect(await far(of('attn.hook_pattern'), `attentions.${layer}`)).toBeLessThan(1e-4);
      expect(await far(of('attn.hook_out'), `attn_out.${layer}`)).toBeLessThan(1e-4);
      if (layer < L - 1) expect(await far(of('hook_out'), `hidden_states.${layer + 1}`)).toBeLessThan(1e-4);
    }
    const plain = await run(model, { ids });
    expect(await far(plain.logits!.data, 'logits')).toBeGreaterThan(0.1);
  },
);
