import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { full } from '../../src/cache/policies/full.ts';
import { run } from '../../src/models/run.ts';
import { fixtures } from '../fixtures.ts';
import { open } from '../models/support.ts';
import { logitsUnder, worst } from './support.ts';

const folder = fixtures() ?? '';
const families = ['mixtral', 'qwen3_moe', 'olmoe', 'gpt_oss', 'flint'].filter((name) =>
  existsSync(join(folder, 'families', name)),
);
const ids = Array.from({ length: 21 }, (_, i) => 3 + ((i * 29) % 90));
const policy = full({ capacity: 32 });

describe.skipIf(families.length === 0)('streams of mixtures of experts (needs the shared fixtures)', () => {
  it.each(families)(
    '%s: token by token and in chunks, where most experts have no token, the logits are those of the whole text',
    async (name) => {
      await using model = await open(join(folder, 'families', name));
      const { V } = model.decoder.sizes;
      const { logits } = await run(model, { ids: [ids] });
      const expected = ids.map((_, t) => (logits!.data as Float32Array).slice(t * V, (t + 1) * V));
      for (const chunk of [1, 5, 21])
        expect(worst(await logitsUnder(model, policy, ids, chunk), expected), `chunks of ${chunk}`).toBeLessThan(1e-4);
    },
  );

  it.each(['mixtral', 'qwen3_moe'].filter((name) => families.includes(name)))(
    '%s: experts in blocks of 8 and 4 bits, of which most have no token',
    async (name) => {
      await using model = await open(join(folder, 'families', name));
      const plain = await logitsUnder(model, policy, ids, 21);
      const spread = Math.max(...plain.map((row) => Math.max(...row) - Math.min(...row)));
      for (const [weights, share] of [['int8', 0.1] as const, ['int4', 0.5] as const])
        for (const activations of ['float32', 'int8'] as const) {
          const whole = await logitsUnder(model, policy, ids, 21, { weights, activations });
          // Inputs rounded to 8 bits may choose other experts.
          if (activations === 'float32') expect(worst(whole, plain)).toBeLessThan(share * spread);
          // The same numbers whatever the tokens beside: which experts are empty changes nothing.
          const single = await logitsUnder(model, policy, ids, 1, { weights, activations });
          expect(worst(single, whole), `${weights}, inputs ${activations}`).toBeLessThan(1e-4);
        }
    },
  );
});
