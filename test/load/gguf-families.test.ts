import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Checkpoint } from '../../src/load/checkpoint.ts';
import { createModel } from '../../src/models/model.ts';
import { verify } from '../../src/models/verify.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { fixtures } from '../fixtures.ts';
import { openReference } from '../models/support.ts';
import { buildGguf } from './build-gguf.ts';
import { converted } from './convert-gguf.ts';
import type { FamilyCase } from './gguf-conventions.ts';
import { encoderCases } from './gguf-encoders.ts';
import { familyCases as decoderCases } from './gguf-families.ts';
import { expectSame, families, open } from './gguf-support.ts';

const shared = fixtures();
const familyCases = { ...decoderCases, ...encoderCases };

const caseOf = (name: string): FamilyCase => new Map(Object.entries(familyCases)).get(name)!;

async function both(name: string, { names, meta, change }: FamilyCase) {
  const reference = await families(name);
  const ours = await open(buildGguf(meta, await converted(reference, names, change)));
  return { reference, ours };
}

/** A checkpoint of the tensors that a file holds. */
function within(reference: Checkpoint, left: readonly string[]): Checkpoint {
  const tensors = new Map([...reference.tensors].filter(([name]) => !left.some((part) => name.endsWith(part))));
  return { ...reference, tensors };
}

describe('a checkpoint and the file made of it', () => {
  const names = shared === undefined ? [] : Object.keys(familyCases);

  it.each(names)('of %s have the same tensors and the same configuration', async (name) => {
    const one = caseOf(name);
    const { reference, ours } = await both(name, one);
    const left = Object.keys(one.names).filter((key) => one.names[key] === '');
    await expectSame(
      ours,
      within(
        reference,
        left.map((key) => key.split('#').at(-1)!),
      ),
      one.tolerance,
    );
    const known = new Set([...(one.spelt ?? []), ...Object.keys(one.unsaid ?? {})]);
    for (const [key, value] of Object.entries(ours.config).filter(([key]) => !known.has(key)))
      expect(reference.config[key], key).toEqual(value);
  });

  it.each(names)('of %s give the patterns and the logits, or last states, of the reference', async (name) => {
    const { ours } = await both(name, caseOf(name));
    const checkpoint = { ...ours, config: { ...ours.config, ...caseOf(name).unsaid } };
    await using model = createModel({ checkpoint, runtime: nodeRuntime({ threads: 1 }) });
    const result = await verify(model, await openReference(join(shared!, 'families', name, 'expected.safetensors')));
    expect(result).toMatchObject({ holds: true, missing: [], misplaced: [] });
    const kinds = new Set(result.comparisons.map(({ tensor }) => tensor.split('.').slice(0, 2).join('.')));
    const wanted = caseOf(name).headless ? 'output.hidden_states' : 'output.logits';
    expect([...kinds]).toEqual(expect.arrayContaining(['output.attentions', wanted]));
  });

  it.skipIf(shared === undefined)('are compared for 27 families (needs the shared fixtures: SINKLAB_FIXTURES)', () => {
    expect(names).toHaveLength(27);
  });
});
