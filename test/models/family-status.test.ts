import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { familiesMarkdown } from '../../src/cli/families-view.ts';
import { LoadError } from '../../src/error.ts';
import { architectures } from '../../src/load/gguf/architectures.ts';
import { familyStatus } from '../../src/models/family-status.ts';
import { createModel } from '../../src/models/model.ts';
import { parity } from '../../src/models/parity.ts';
import { refusedFamilies } from '../../src/models/refused-families.ts';
import { families } from '../../src/models/registry.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { supported } from './support.ts';

const status = familyStatus(families);

describe('the status of families', () => {
  it('names every family and every model_type once', () => {
    for (const of of [status.map(({ name }) => name), status.flatMap(({ modelTypes }) => modelTypes)])
      expect(of.filter((name, i) => of.indexOf(name) !== i)).toEqual([]);
  });

  it('says supported only where a reference was met and nothing is missing', () => {
    for (const { state, fixtures, notes, parity: largest } of status) {
      if (state === 'supported') expect({ notes, met: fixtures.length > 0 }).toEqual({ notes: [], met: true });
      else expect(notes.length).toBeGreaterThan(0);
      if (largest !== undefined) expect(largest).toBeLessThan(1e-4);
    }
  });

  it('has a figure for every fixture that the parity test compares, and for no other', () => {
    const written = Object.values(parity).flatMap((rows) => rows.map(({ fixture }) => fixture));
    expect([...written].sort()).toEqual([...supported].sort());
  });

  it('names the GGUF architectures that are read, each of them', () => {
    const named = new Set(status.flatMap(({ gguf }) => gguf));
    expect([...named].sort()).toEqual([...architectures.keys()].sort());
  });

  it('is what docs/families.md says', () => {
    const page = fileURLToPath(new URL('../../docs/families.md', import.meta.url));
    expect(readFileSync(page, 'utf8')).toBe(familiesMarkdown(status));
  });
});

it('a family that is known and refused says why', () => {
  const { title, reason, modelTypes } = refusedFamilies.find(({ name }) => name === 'mamba')!;
  const checkpoint = {
    config: { model_type: modelTypes[0] },
    tensors: new Map(),
    provenance: { format: 'safetensors', source: 'a folder', dtypes: [], ropePairing: 'half-split' },
  } as never;
  const open = () => createModel({ checkpoint, runtime: nodeRuntime({ threads: 1 }) });
  expect(open).toThrow(LoadError);
  expect(open).toThrow(
    `a folder: model_type "mamba" (${title}) is not read. ${reason} \`sinklab families\` lists what is`,
  );
});
