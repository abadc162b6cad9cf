import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type HubOptions, hubModel } from '../../src/load/hub-node.ts';
import { hubSettings } from '../../src/load/hub-settings-node.ts';
import { resolveModel } from '../../src/load/resolve-model-node.ts';
import { COMMIT, type FakeFile, fakeHub } from './fake-hub.ts';

const NAME = 'org/tiny';
const TOKEN = 'hf_secretsecret';
const weights = Buffer.from(Uint8Array.from({ length: 200_000 }, (_, index) => index % 251));
const sha256 = createHash('sha256').update(weights).digest('hex');
const text = (value: string): FakeFile => ({ content: Buffer.from(value) });

let home: string;
let files: Record<string, FakeFile>;
let hub: Awaited<ReturnType<typeof fakeHub>>;
let env: NodeJS.ProcessEnv;
const ask = (options: HubOptions = {}) => hubModel(NAME, { env, ...options });
const repo = () => join(home, 'hub', 'models--org--tiny');
const blobs = () => (existsSync(join(repo(), 'blobs')) ? readdirSync(join(repo(), 'blobs')) : []);

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'sinklab-hub-'));
  files = {
    '.gitattributes': text('x'),
    'naïve notes [1].md': text('x'),
    'config.json': text('{"model_type":"llama"}'),
    'tokenizer.json': text('{}'),
    'tokenizer_config.json': text('{}'),
    'pytorch_model.bin': text('pickle'),
    'modeling.py': text('code'),
    'model.safetensors': { content: weights, lfs: true },
  };
  hub = await fakeHub(NAME, files);
  env = { HF_HOME: home, HF_ENDPOINT: hub.url, HF_TOKEN: TOKEN };
});
afterEach(async () => {
  await hub.close();
  rmSync(home, { recursive: true });
});

describe('a model of the hub', () => {
  it("comes into Python's cache layout, only the files that are read, and is used from there without a request", async () => {
    const progress: number[] = [];
    const model = await ask({
      progress: ({ file, received }) => file === 'model.safetensors' && progress.push(received),
    });
    expect(model).toEqual({
      kind: 'folder',
      path: join(repo(), 'snapshots', COMMIT),
      revision: 'main',
      commit: COMMIT,
      repoFolder: repo(),
    });
    expect(readdirSync(model.path).sort()).toEqual([
      'config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    expect(readlinkSync(join(model.path, 'model.safetensors'))).toBe(join('..', '..', 'blobs', sha256));
    expect(readFileSync(join(model.path, 'model.safetensors')).equals(weights)).toBe(true);
    expect(readFileSync(join(repo(), 'refs', 'main'), 'utf8')).toBe(COMMIT);
    expect(progress.at(-1)).toBe(weights.length);
    expect(hub.requests.every(({ authorization }) => authorization === `Bearer ${TOKEN}`)).toBe(true);

    hub.requests.length = 0;
    expect(await ask()).toEqual(model);
    expect(await hubModel(NAME, { env: { ...env, HF_HUB_OFFLINE: '1' }, revision: COMMIT })).toEqual({
      ...model,
      revision: COMMIT,
    });
    expect(hub.requests).toEqual([]);
  });

  it('is asked for at the revision that was named', async () => {
    await ask({ revision: 'refs/pr/1' });
    expect(hub.requests[0]!.path).toBe('/api/models/org/tiny/revision/refs%2Fpr%2F1');
    expect(readFileSync(join(repo(), 'refs', 'refs', 'pr', '1'), 'utf8')).toBe(COMMIT);
    await expect(ask({ revision: '../main' })).rejects.toThrow(
      '--revision "../main": expected a branch, a tag or a commit',
    );
  });

  it('goes on where the connection was cut', async () => {
    files['model.safetensors']!.cuts = [50_000, 60_000];
    const { path } = await ask();
    expect(readFileSync(join(path, 'model.safetensors')).equals(weights)).toBe(true);
    const ranges = hub.requests.filter(({ path }) => path.endsWith('model.safetensors')).map(({ range }) => range);
    expect(ranges).toEqual([undefined, 'bytes=50000-', 'bytes=110000-']);
  });

  it('that was stopped leaves no half file under a final name, and the next run goes on', async () => {
    const stop = new AbortController();
    files['model.safetensors']!.cuts = [120_000];
    const running = ask({
      signal: stop.signal,
      progress: ({ received }) => received >= 60_000 && stop.abort(new Error('stopped by user')),
    });
    await expect(running).rejects.toThrow('stopped by user');
    expect(blobs()).toContain(`${sha256}.incomplete`);
    expect(blobs()).not.toContain(sha256);
    expect(existsSync(join(repo(), 'snapshots', COMMIT, 'model.safetensors'))).toBe(false);
    hub.requests.length = 0;
    files['model.safetensors']!.cuts = [];
    const { path } = await ask();
    expect(readFileSync(join(path, 'model.safetensors')).equals(weights)).toBe(true);
    expect(hub.requests.find(({ path }) => path.endsWith('model.safetensors'))!.range).toMatch(/^bytes=[1-9]\d*-$/);
    expect(blobs().filter((name) => name.includes('incomplete'))).toEqual([]);
  });

  it('gives the token to no other origin, on redirects that leave it and come back', async () => {
    const other = await fakeHub(NAME, files);
    const asked: typeof other.requests = other.requests;
    files['model.safetensors'] = {
      content: weights,
      lfs: true,
      redirect: `${other.url.replace('127.0.0.1', 'localhost')}/x/resolve/y/weights?signature=1`,
    };
    files.weights = { content: weights, redirect: `${hub.url}/x/resolve/y/back` };
    files.back = { content: weights };
    await ask();
    await other.close();
    expect(asked.length).toBe(1);
    expect(asked[0]!.authorization).toBeUndefined();
    const back = hub.requests.find(({ path }) => path.endsWith('/back'))!;
    expect(back.authorization).toBeUndefined();
  });

  it('takes indexed shards, and only those', async () => {
    delete files['model.safetensors'];
    files['a.safetensors'] = { content: weights, lfs: true };
    files['consolidated.safetensors'] = text('unused');
    files['model.safetensors.index.json'] = text('{"weight_map":{"x":"a.safetensors","y":"a.safetensors"}}');
    const { path } = await ask();
    expect(readdirSync(path).filter((name) => name.includes('safetensors'))).toEqual([
      'a.safetensors',
      'model.safetensors.index.json',
    ]);
    hub.requests.length = 0;
    await ask();
    expect(hub.requests).toEqual([]);
  });

  it('with several GGUF files wants one named', async () => {
    for (const name of Object.keys(files)) delete files[name];
    files['t-Q4_1.gguf'] = { content: weights, lfs: true };
    files['t-Q8_0.gguf'] = text('other');
    const resolve = (name: string) => resolveModel(name, { env });
    await expect(resolve(NAME)).rejects.toThrow(
      'org/tiny: several GGUF files (t-Q4_1.gguf, t-Q8_0.gguf); name one as org/tiny/FILE.gguf',
    );
    await expect(resolve(`${NAME}:Q5_0`)).rejects.toThrow('org/tiny: no GGUF file Q5_0 (t-Q4_1.gguf, t-Q8_0.gguf)');
    const path = join(repo(), 'snapshots', COMMIT, 't-Q4_1.gguf');
    expect(await resolve(`${NAME}:q4_1`)).toMatchObject({
      kind: 'gguf',
      path,
      source: 'org/tiny:q4_1',
      repoFolder: repo(),
    });
    expect(await resolve(`${NAME}/t-Q4_1.gguf`)).toMatchObject({ kind: 'gguf', path, commit: COMMIT });
  });
});

describe('a hub or model that cannot be trusted', () => {
  const nothingOutside = () => expect(readdirSync(home).filter((name) => name !== 'hub')).toEqual([]);

  it.each(['../../../evil.safetensors', '/etc/evil', '..\\evil', 'C:evil', 'sub/x.safetensors'])(
    'cannot write to %s',
    async (path) => {
      files.evil = { content: Buffer.from('x'), listed: { path } };
      await expect(ask()).rejects.toThrow("is refused, it could lead out of the model's folder");
      nothingOutside();
    },
  );

  it('cannot escape through an index', async () => {
    files['model.safetensors.index.json'] = text('{"weight_map":{"x":"../../../evil.safetensors"}}');
    await expect(ask()).rejects.toThrow('the file name "../../../evil.safetensors" is refused');
    nothingOutside();
  });

  it.each([
    [{ size: -1 }, 'no valid size and hash'],
    [{ size: 1e300 }, 'no valid size and hash'],
    [{ oid: '../../x' }, 'no valid size and hash'],
    [
      { oid: 'a'.repeat(64) },
      /model\.safetensors: the content has hash [0-9a-f]{64}, a{64} was announced; it was thrown away/,
    ],
    [{ size: 100 }, 'model.safetensors: 200000 bytes are announced, 100 are left of 100'],
  ])('cannot pass %j in its listing', async (listed, message) => {
    files['model.safetensors']!.listed = listed;
    await expect(ask()).rejects.toThrow(message);
    expect(existsSync(join(repo(), 'snapshots', COMMIT, 'model.safetensors'))).toBe(false);
    expect(blobs()).not.toContain('a'.repeat(64));
  });

  it('cannot pass other content for a small file', async () => {
    files['tokenizer.json']!.listed = { oid: 'b'.repeat(40) };
    await expect(ask()).rejects.toThrow(/tokenizer\.json: the content has hash [0-9a-f]{40}, b{40} was announced/);
  });

  it('cannot name a commit that is a path', async () => {
    hub.state.commit = '../../evil';
    await expect(ask()).rejects.toThrow('org/tiny: the hub gave no commit for revision main');
  });

  it('with only pickles, or with code of its own, is refused with advice', async () => {
    files['config.json'] = text('{"auto_map":{"AutoModel":"modeling.X"}}');
    await expect(ask()).rejects.toThrow(
      'org/tiny: config.json asks for Python code of its own (auto_map), which is never run',
    );
    expect(blobs()).not.toContain(sha256);
    delete files['model.safetensors'];
    await expect(ask()).rejects.toThrow(
      'org/tiny: only pickled weights (pytorch_model.bin), which can run code and are never read',
    );
  });

  it('that refuses gives an error without the token', async () => {
    hub.state.status = 403;
    const error: Error = await ask().catch((reason) => reason);
    expect(error.message).toBe(
      `org/tiny: ${hub.url} has no such model or revision main, or does not show it (status 403); check the name, and that the token has access`,
    );
    expect(JSON.stringify(error) + error.stack).not.toContain(TOKEN);
  });

  it('in the cache cannot lead to a file outside by a link', async () => {
    const { path } = await ask();
    writeFileSync(join(home, 'secret'), 'x');
    rmSync(join(path, 'config.json'));
    symlinkSync(join(home, 'secret'), join(path, 'config.json'));
    await expect(ask({ offline: true })).rejects.toThrow('is not, or not whole, in the hub cache');
  });
});

describe('without the hub', () => {
  it('says what is missing and what to do', async () => {
    await expect(hubModel(NAME, { env: { ...env, HF_HUB_OFFLINE: '1' } })).rejects.toThrow(
      `org/tiny: revision main is not, or not whole, in the hub cache ${join(home, 'hub')}, and HF_HUB_OFFLINE is set; unset it or name a local folder or .gguf file`,
    );
    expect(hub.requests).toEqual([]);
    const closed = { ...env, HF_ENDPOINT: 'http://127.0.0.1:1' };
    await expect(hubModel(NAME, { env: closed })).rejects.toThrow(
      /^hub: http:\/\/127\.0\.0\.1:1 cannot be reached \(.+\); check the network, or name a local folder or \.gguf file$/,
    );
  });

  it.each(['a/b/c', 'a b', '../x', 'a/..b', 'a/', ''])('%j is no hub id', async (name) => {
    await expect(hubModel(name, { env })).rejects.toThrow('no such file, and not a hub id such as organisation/model');
  });

  it('settings follow the variables of the Python client', async () => {
    expect(
      await hubSettings({
        HF_HUB_CACHE: '/c',
        HF_TOKEN: ' hf_x\n',
        HF_HUB_OFFLINE: 'true',
        HF_ENDPOINT: 'https://m.example/',
      }),
    ).toEqual({
      endpoint: 'https://m.example',
      cache: '/c',
      token: 'hf_x',
      offline: true,
    });
    writeFileSync(join(home, 'token'), 'hf_file\n');
    expect(await hubSettings({ HF_HOME: home })).toEqual({
      endpoint: 'https://huggingface.co',
      cache: join(home, 'hub'),
      token: 'hf_file',
      offline: false,
    });
    await expect(hubSettings({ HF_ENDPOINT: 'file:///x' })).rejects.toThrow('HF_ENDPOINT: expected an address');
    await expect(hubSettings({ HF_HOME: home, HF_TOKEN: 'a b' })).rejects.toThrow('HF_TOKEN: the token has spaces');
  });
});

describe('a model on disk', () => {
  it('is a folder, a .gguf file, a .safetensors file or a snapshot of the cache', async () => {
    const { path } = await ask();
    expect(await resolveModel(path)).toEqual({
      kind: 'folder',
      path,
      source: path,
      commit: COMMIT,
      repoFolder: realpathSync(repo()),
    });
    const folder = join(home, 'plain');
    mkdirSync(folder);
    for (const name of ['m.gguf', 'm.safetensors', 'm.bin', 'm.txt']) writeFileSync(join(folder, name), '');
    expect(await resolveModel(folder)).toEqual({ kind: 'folder', path: folder, source: folder });
    expect(await resolveModel(join(folder, 'm.gguf'))).toMatchObject({ kind: 'gguf', path: join(folder, 'm.gguf') });
    expect(await resolveModel(join(folder, 'm.safetensors'))).toMatchObject({
      kind: 'folder',
      path: folder,
      weights: 'm.safetensors',
    });
    await expect(resolveModel(join(folder, 'm.bin'))).rejects.toThrow('a pickle can run code and is never read');
    await expect(resolveModel(join(folder, 'm.txt'))).rejects.toThrow('expected a folder with config.json');
    await expect(resolveModel('./none')).rejects.toThrow('model "./none": no such file or folder');
    await expect(resolveModel('none.gguf')).rejects.toThrow('model "none.gguf": no such file or folder');
    await expect(resolveModel(folder, { revision: 'main' })).rejects.toThrow('is on disk and has no revisions');
    writeFileSync(join(folder, 'config.json'), '{"auto_map":{}}');
    await expect(resolveModel(folder)).rejects.toThrow('config.json asks for Python code of its own');
    expect(lstatSync(folder).isDirectory()).toBe(true);
  });
});
