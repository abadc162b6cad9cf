import { expect, it } from 'vitest';
import { bundled } from '../fixtures.ts';
import { sinklab } from './terminal.ts';

it('sinklab info shows sizes, attention, RoPE, folded weights and hook points with their cost', async () => {
  const { code, out, err } = await sinklab('info', bundled('families/gpt_oss'), '--tokens', '1000');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toContain(
    'attention   full in layer 1; window of 6 tokens in layers 0, 2; learned sinks in layers 0–2\n',
  );
  expect(out.replace(/\s+/g, ' ')).toContain('RoPE rope_scaling (beta_fast 32, beta_slow 1, factor 32,');
  expect(out).toMatch(/^model\.layers\.\*\.self_attn\.q_proj\.weight +G R D M +32 × 32 +F32 +0–2 +12\.3\u00a0kB$/m);
  expect(out).toMatch(
    /^blocks\.\*\.attn\.hook_pattern +B H T S +1 × 4 × 1000 × 1000 +0–2 +16\.0\u00a0MB +48\.0\u00a0MB$/m,
  );
});

it('--json holds the same, and hashes where asked for', async () => {
  const { out } = await sinklab('info', bundled('gguf/llama-q8_0.gguf'), '--json', '--hash');
  const info = JSON.parse(out);
  expect(info).toMatchObject({ schema: 'sinklab.info/1', family: 'llama', tokens: 1000, windows: [null, null, null] });
  expect(info.provenance.ropePairing).toBe('interleaved, rows restored to half-split');
  expect(info.files[0].sha256).toMatch(/^[0-9a-f]{64}$/);
});
