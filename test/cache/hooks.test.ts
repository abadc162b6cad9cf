import { describe, expect, it } from 'vitest';
import { full } from '../../src/cache/policies/full.ts';
import { streamingLlm } from '../../src/cache/policies/streaming-llm.ts';
import { createStream } from '../../src/cache/stream.ts';
import { InputError } from '../../src/error.ts';
import type { Edits } from '../../src/models/hooks.ts';
import { run } from '../../src/models/run.ts';
import { multiply } from '../../src/tensor/index.ts';
import { bundled } from '../fixtures.ts';
import { open } from '../models/support.ts';
import { worst } from './support.ts';

const ids = Array.from({ length: 20 }, (_, i) => 3 + ((i * 29) % 90));
const halved: Edits = { 'blocks.1.attn.hook_z': (z) => multiply(z, 0.5) };

describe('hook points while a text is read and generated', () => {
  it.each(['llama', 'gpt_oss'])('%s: the residual stream of a step is that of the whole text', async (family) => {
    await using model = await open(bundled(`families/${family}`));
    const { captured } = await run(model, { ids: [ids] }, { capture: ['blocks.2.hook_out'] });
    const whole = captured.get('blocks.2.hook_out')!;
    const M = whole.shape[2]!;
    await using stream = createStream(model, { policy: full({ capacity: 32 }), capture: ['blocks.2.hook_out'] });
    for (const [t, id] of ids.entries()) {
      await stream.next([id]);
      const here = stream.captured.get('blocks.2.hook_out')!;
      expect(here.shape).toEqual([1, 1, M]);
      const there = (whole.data as Float32Array).slice(t * M, (t + 1) * M);
      expect(worst([here.data as Float32Array], [there])).toBeLessThan(2e-5);
    }
  });

  it('the pattern of a step has a weight for each entry and one for the token itself, and sums to one less the learned sink', async () => {
    await using model = await open(bundled('families/gpt_oss'));
    const { H, L } = model.decoder.sizes;
    const capture = ['blocks.*.attn.hook_pattern', 'blocks.*.attn.hook_sink'] as const;
    await using stream = createStream(model, { policy: streamingLlm({ sinks: 2, recent: 6 }), capture });
    await stream.read(ids);
    await stream.next([7]);
    for (let layer = 0; layer < L; layer++) {
      const { data, shape } = stream.captured.get(`blocks.${layer}.attn.hook_pattern`)!;
      const sink = stream.captured.get(`blocks.${layer}.attn.hook_sink`)!.data as Float32Array;
      expect(shape).toEqual([1, H, 1, 2 + 6 + 1]);
      for (let h = 0; h < H; h++) {
        const row = (data as Float32Array).slice(h * 9, (h + 1) * 9);
        expect(row.reduce((a, b) => a + b, sink[h]!)).toBeCloseTo(1, 5);
      }
    }
  });

  it('an edit stays on for every token, and is that of a run over the whole text', async () => {
    await using model = await open(bundled('families/llama'));
    const edited = await run(model, { ids: [ids] }, { edit: halved });
    const plain = await run(model, { ids: [ids] });
    const V = model.decoder.sizes.V;
    const last = ({ logits }: typeof plain) => (logits!.data as Float32Array).slice(-V);
    await using stream = createStream(model, { policy: full({ capacity: 32 }), edit: halved });
    await stream.read(ids.slice(0, 9));
    for (const id of ids.slice(9)) await stream.next([id]);
    expect(worst([stream.logits[0]!], [last(edited)])).toBeLessThan(2e-5);
    expect(worst([stream.logits[0]!], [last(plain)])).toBeGreaterThan(1e-3);
  });

  it('a hook point that the model does not have is refused by name before anything runs', async () => {
    await using model = await open(bundled('families/llama'));
    const policy = full({ capacity: 8 });
    expect(() => createStream(model, { policy, capture: ['blocks.9.hook_out'] })).toThrow(InputError);
    expect(() => createStream(model, { policy, edit: { 'blocks.9.hook_out': (x) => x } })).toThrow(
      'llama has layers 0 to 2',
    );
  });
});
