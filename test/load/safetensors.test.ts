import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { InputError, LoadError } from '../../src/error.ts';
import { memoryFolder, memorySource } from '../../src/load/bytes-memory.ts';
import { openFile, openFolder } from '../../src/load/bytes-node.ts';
import { openLocal } from '../../src/load/open-local.ts';
import { openSafetensors } from '../../src/load/safetensors.ts';
import { openSafetensorsFile } from '../../src/load/safetensors-file.ts';
import { encodeSafetensors, type TensorToWrite } from '../../src/load/write-safetensors.ts';
import { writeSafetensors } from '../../src/load/write-safetensors-node.ts';
import { bundled } from '../fixtures.ts';
import { naiveSafetensors } from './naive-readers.ts';

const scratch = mkdtempSync(join(tmpdir(), 'sinklab-safetensors-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** A file with this JSON text as its header and `data` zero bytes behind it. */
function file(json: string, data = 0, claimed?: number): Uint8Array {
  const text = new TextEncoder().encode(json);
  const bytes = new Uint8Array(8 + text.length + data);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(claimed ?? text.length), true);
  bytes.set(text, 8);
  return bytes;
}

const open = (bytes: Uint8Array) => openSafetensorsFile(memorySource('x.safetensors', bytes));
const tensor = (dtype: string, shape: string, offsets: string) =>
  `{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}`;

describe('a safetensors file', () => {
  it('gives the same tensors as an independent parser', async () => {
    for (const family of ['llama', 'gpt2', 'gemma3', 'gpt_oss']) {
      for (const name of ['model', 'expected']) {
        const path = bundled(`families/${family}/${name}.safetensors`);
        const ours = await openSafetensorsFile(await openFile(path));
        const naive = naiveSafetensors(readFileSync(path))!;
        expect(new Set(ours.tensors.keys())).toEqual(new Set(naive.keys()));
        for (const [key, { shape, values }] of naive) {
          expect(ours.tensors.get(key)!.shape).toEqual(shape);
          expect([...(await ours.read(key))], key).toEqual(values);
        }
        await ours.close();
      }
    }
  });

  it('decodes every stored type, at any offset', async () => {
    const bytes = file(
      `{"__metadata__":{"a":"b"},"odd":${tensor('U8', '[3]', '[0,3]')},"half":${tensor('F16', '[2]', '[3,7]')},` +
        `"brain":${tensor('BF16', '[2]', '[7,11]')},"long":${tensor('I64', '[1]', '[11,19]')},"flag":${tensor('BOOL', '[1]', '[19,20]')},` +
        `"wide":${tensor('F64', '[]', '[20,28]')},"none":${tensor('I32', '[2,0]', '[28,28]')},"tiny":${tensor('I8', '[1]', '[28,29]')},` +
        `"short":${tensor('I16', '[1]', '[29,31]')}}   `,
      31,
    );
    const data = bytes.subarray(bytes.length - 31);
    data.set([1, 2, 255, 0x01, 0x00, 0x00, 0xfc, 0x80, 0x3f, 0x00, 0xc0, 0xfe, 255, 255, 255, 255, 255, 255, 255, 1]);
    new DataView(data.buffer, data.byteOffset).setFloat64(20, 0.1, true);
    data.set([0x80, 0x00, 0x80], 28);
    const opened = await open(bytes);
    const read = async (name: string) => [...(await opened.read(name))];
    expect(await read('odd')).toEqual([1, 2, 255]);
    expect(await read('half')).toEqual([2 ** -24, -Infinity]);
    expect(await read('brain')).toEqual([1, -2]);
    expect(await read('long')).toEqual([-2]);
    expect(await read('flag')).toEqual([1]);
    expect(await read('wide')).toEqual([Math.fround(0.1)]);
    expect(await read('none')).toEqual([]);
    expect(await read('tiny')).toEqual([-128]);
    expect(await read('short')).toEqual([-32768]);
    expect(opened.metadata).toEqual(new Map([['a', 'b']]));
    await expect(opened.read('absent')).rejects.toThrow('safetensors x.safetensors: there is no tensor "absent"');
  });

  it('refuses integers that float32 cannot hold and booleans that are neither 0 nor 1', async () => {
    const bytes = file(`{"n":${tensor('I64', '[1]', '[0,8]')},"b":${tensor('BOOL', '[1]', '[8,9]')}}`, 9);
    new DataView(bytes.buffer).setBigInt64(bytes.length - 9, 16_777_217n, true);
    bytes[bytes.length - 1] = 2;
    const opened = await open(bytes);
    await expect(opened.read('n')).rejects.toThrow('tensor "n": element 0 is 16777217, float32 cannot hold it exactly');
    await expect(opened.read('b')).rejects.toThrow('tensor "b": element 0 is 2, booleans are 0 or 1');
    expect((await opened.readBytes('b'))[0]).toBe(2);
  });

  it('keeps __proto__ an ordinary name', async () => {
    const opened = await open(file(`{"__proto__":${tensor('U8', '[1]', '[0,1]')}}`, 1));
    expect([...opened.tensors.keys()]).toEqual(['__proto__']);
  });

  const good = tensor('F32', '[2]', '[0,8]');
  const hostile: [what: string, bytes: Uint8Array, message: string][] = [
    ['an empty file', new Uint8Array(), 'the file has 0 bytes, too few for a header'],
    ['a header longer than the file', file('{}   ', 0, 900), 'header length 900 must lie between 2 and 5'],
    ['a header longer than 100 MB', file('{}   ', 0, 2 ** 40), 'header length 1099511627776 must lie between 2 and 5'],
    ['a header that is no object', file(' {}  '), 'header must start with "{"'],
    ['broken JSON', file('{"a":}'), 'header: not valid JSON'],
    ['text that is not UTF-8', file('{"a":1}').with(10, 0xff), 'header: not valid UTF-8'],
    ['a name that occurs twice', file(`{"a":${good},"\\u0061":${good}}`, 8), 'key "a" occurs twice'],
    ['a tensor that is no object', file('{"a":[1]}'), 'tensor "a" must be an object, got [1]'],
    ['an unknown key', file(`{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1],"x":1}}`, 1), 'the unknown key "x"'],
    [
      'a dtype without support',
      file(`{"a":${tensor('F8_E4M3', '[1]', '[0,1]')}}`, 1),
      'dtype "F8_E4M3", which is not supported',
    ],
    [
      'an inherited dtype',
      file(`{"a":${tensor('toString', '[1]', '[0,1]')}}`, 1),
      'dtype "toString", which is not supported',
    ],
    ['a negative size', file(`{"a":${tensor('U8', '[-1]', '[0,1]')}}`, 1), 'non-negative integers, got [-1]'],
    ['a fractional size', file(`{"a":${tensor('U8', '[1.5]', '[0,1]')}}`, 1), 'non-negative integers, got [1.5]'],
    ['a size of null', file(`{"a":${tensor('U8', '[null]', '[0,1]')}}`, 1), 'non-negative integers, got [null]'],
    [
      'a product beyond integers',
      file(`{"a":${tensor('U8', '[9007199254740991,9007199254740991]', '[0,1]')}}`, 1),
      'impossible shape',
    ],
    [
      'a product that overflows to infinity',
      file(`{"a":${tensor('U8', `[${Array(40).fill(9e15)},0]`, '[0,0]')}}`),
      'impossible shape',
    ],
    [
      'a negative offset',
      file(`{"a":${tensor('U8', '[2]', '[-1,1]')}}`, 1),
      'data_offsets [begin, end] with 0 <= begin <= end, got [-1,1]',
    ],
    ['offsets in the wrong order', file(`{"a":${tensor('U8', '[1]', '[1,0]')}}`, 1), 'got [1,0]'],
    [
      'a size that is not the span',
      file(`{"a":${tensor('F32', '[2]', '[0,7]')}}`, 7),
      'takes 8 bytes, its offsets span 7',
    ],
    [
      'an overlap',
      file(`{"a":${good},"b":${tensor('F32', '[1]', '[4,8]')}}`, 8),
      'tensor "b" overlaps the one before it, at byte 4',
    ],
    [
      'a hole',
      file(`{"a":${good},"b":${tensor('F32', '[1]', '[12,16]')}}`, 16),
      'tensor "b" leaves a hole of 4 bytes before it',
    ],
    ['data cut short', file(`{"a":${good}}`, 7), 'ends at byte 70, the file has 69; the download may be incomplete'],
    ['data nobody owns', file(`{"a":${good}}`, 9), '1 bytes behind the last tensor belong to no tensor'],
    ['metadata that is no text', file('{"__metadata__":{"a":1}}'), '__metadata__ "a" must be a string, got 1'],
  ];
  it.each(hostile)('refuses %s', async (_, bytes, message) => {
    await expect(open(bytes)).rejects.toThrow(message);
    await expect(open(bytes)).rejects.toThrow(LoadError);
  });

  it('refuses JSON nested a hundred thousand levels deep', async () => {
    await expect(open(file(`{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`))).rejects.toThrow(
      'nested deeper than 64 levels',
    );
  });
});

describe('a safetensors checkpoint', () => {
  const config = new TextEncoder().encode('{"model_type":"llama"}');
  const one = file(`{"a":${tensor('F32', '[2]', '[0,8]')}}`, 8);
  const two = file(`{"b":${tensor('F16', '[2]', '[0,4]')}}`, 4);
  const sharded = (index: string, shards: Record<string, Uint8Array> = {}) =>
    openSafetensors(
      memoryFolder(
        'model',
        new Map(
          Object.entries({
            'config.json': config,
            'model.safetensors.index.json': new TextEncoder().encode(index),
            'one.safetensors': one,
            'two.safetensors': two,
            ...shards,
          }),
        ),
      ),
    );

  it('opens a bundled model in place, with its hashes', async () => {
    const folder = bundled('families/llama');
    const checkpoint = await openLocal(folder);
    const bytes = readFileSync(`${folder}/model.safetensors`);
    expect(checkpoint.config.model_type).toBe('llama');
    expect(checkpoint.provenance).toEqual({
      format: 'safetensors',
      source: folder,
      dtypes: ['F32'],
      ropePairing: 'half-split',
    });
    const { inPlace, shape } = checkpoint.tensors.get('lm_head.weight')!;
    const values = await checkpoint.read('lm_head.weight');
    expect(shape).toEqual([97, 32]);
    expect(inPlace!.file).toBe(realpathSync(`${folder}/model.safetensors`));
    expect(bytes.subarray(inPlace!.offset, inPlace!.offset + 97 * 32 * 4)).toEqual(Buffer.from(values.buffer));
    expect(await checkpoint.files()).toEqual([
      { name: 'model.safetensors', bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') },
    ]);
    expect(await memorySource('m', bytes).sha256()).toBe((await checkpoint.files())[0]!.sha256);
    await checkpoint.close();
    const v5 = await openLocal(folder, { config: 'config.v5.json' });
    expect(v5.config.rope_parameters).toEqual({ rope_theta: 10000, rope_type: 'default' });
    await v5.close();
  });

  it('joins shards by their index', async () => {
    const checkpoint = await sharded(
      '{"metadata":{"total_size":12},"weight_map":{"a":"one.safetensors","b":"two.safetensors"}}',
    );
    expect([...checkpoint.tensors.keys()]).toEqual(['a', 'b']);
    expect(checkpoint.provenance.dtypes).toEqual(['F32', 'F16']);
    expect([...(await checkpoint.read('b'))]).toEqual([0, 0]);
    expect((await checkpoint.files()).map((each) => each.name)).toEqual(['one.safetensors', 'two.safetensors']);
    await expect(checkpoint.read('c')).rejects.toThrow('model: there is no tensor "c"');
  });

  const index = 'model/model.safetensors.index.json: ';
  it.each([
    ['../one.safetensors'],
    ['/etc/one.safetensors'],
    ['sub/one.safetensors'],
    ['..\\\\one.safetensors'],
    ['C:one.safetensors'],
    ['one.bin'],
    ['.safetensors'],
  ])('refuses the path %s in an index', async (path) => {
    await expect(sharded(`{"weight_map":{"a":"${path}"}}`)).rejects.toThrow(
      'must lie in a plain .safetensors file of the same folder',
    );
  });

  it.each([
    [
      'a shard that is missing',
      '{"weight_map":{"a":"three.safetensors"}}',
      'model: file "three.safetensors" is missing',
    ],
    [
      'a tensor its shard does not hold',
      '{"weight_map":{"a":"one.safetensors","b":"one.safetensors"}}',
      `${index}tensor "b" should be in one.safetensors, which does not hold it`,
    ],
    ['a tensor the index does not list', '{"weight_map":{"b":"two.safetensors"}}', undefined],
    [
      'a tensor named twice',
      '{"weight_map":{"a":"one.safetensors","a":"two.safetensors"}}',
      `${index}key "a" occurs twice`,
    ],
    ['an index without a map', '{"metadata":{}}', `${index}weight_map must be an object of file names, got undefined`],
    ['an empty index', '{"weight_map":{}}', `${index}weight_map is empty`],
  ])('refuses %s', async (_, text, message) => {
    if (message !== undefined) return expect(sharded(text)).rejects.toThrow(message);
    const both = file(`{"b":${tensor('U8', '[1]', '[0,1]')},"c":${tensor('U8', '[1]', '[1,2]')}}`, 2);
    return expect(sharded(text, { 'two.safetensors': both })).rejects.toThrow(
      `${index}two.safetensors holds tensor "c", which the index does not list`,
    );
  });

  it('follows the links of a hub snapshot and refuses links that leave the model', async () => {
    const model = join(scratch, 'models--me--tiny');
    const snapshot = join(model, 'snapshots', 'abc');
    mkdirSync(snapshot, { recursive: true });
    mkdirSync(join(model, 'blobs'));
    writeFileSync(join(model, 'blobs', 'w'), one);
    writeFileSync(join(model, 'blobs', 'c'), config);
    symlinkSync('../../blobs/w', join(snapshot, 'model.safetensors'));
    symlinkSync('../../blobs/c', join(snapshot, 'config.json'));
    const checkpoint = await openLocal(snapshot);
    expect(checkpoint.tensors.get('a')!.inPlace!.file).toBe(realpathSync(join(model, 'blobs', 'w')));
    expect((await checkpoint.files())[0]!.name).toBe('model.safetensors');
    await checkpoint.close();

    const other = join(scratch, 'models--me--other', 'snapshots', 'abc');
    mkdirSync(other, { recursive: true });
    symlinkSync(join(model, 'blobs', 'w'), join(other, 'model.safetensors'));
    writeFileSync(join(other, 'config.json'), config);
    await expect(openLocal(other)).rejects.toThrow(
      `${other}: "model.safetensors" is a link that leaves the model's folder`,
    );
    const plain = join(scratch, 'plain');
    mkdirSync(plain);
    symlinkSync('/etc/hostname', join(plain, 'config.json'));
    symlinkSync('loop', join(plain, 'loop'));
    writeFileSync(join(plain, 'model.safetensors'), one);
    await expect(openLocal(plain)).rejects.toThrow(/"config.json" (is a link that leaves|is missing)/);
    await expect((await openFolder(plain)).open('loop')).rejects.toThrow('its links form a circle');
    await expect((await openFolder(plain)).open('../plain/model.safetensors')).rejects.toThrow('not a plain file name');
  });

  it('says what is missing, and never opens a pickle', async () => {
    const folder = (...names: string[]) => memoryFolder('model', new Map(names.map((name) => [name, one])));
    await expect(openSafetensors(folder('config.json', 'pytorch_model.bin'))).rejects.toThrow(
      'model: "pytorch_model.bin" is a pickle, which can run any code when it is read, so it is never opened; save the model as safetensors',
    );
    await expect(openSafetensors(folder(), { file: 'x.pt' })).rejects.toThrow('"x.pt" is a pickle');
    await expect(openSafetensors(folder('notes.txt'))).rejects.toThrow(
      'model: expected model.safetensors or model.safetensors.index.json, found "notes.txt"',
    );
    await expect(openSafetensors(folder('model.safetensors'))).rejects.toThrow(
      '"config.json" is missing; it must lie beside the weights',
    );
    await expect(openLocal(join(scratch, 'nowhere'))).rejects.toThrow('cannot be opened (no such file or folder)');
    await expect(openFile(scratch)).rejects.toThrow('expected a file, found something else');
  });
});

describe('writing safetensors', () => {
  const tensors = new Map<string, TensorToWrite>([
    ['ids', { dtype: 'I64', shape: [2], values: BigInt64Array.of(1n, 2n) }],
    ['bytes', { dtype: 'U8', shape: [3], values: Uint8Array.of(1, 2, 3) }],
    ['half', { dtype: 'F16', shape: [1, 3], values: async () => Float32Array.of(1 / 3, 65520, -0) }],
    ['full', { dtype: 'F32', shape: [], values: () => Float32Array.of(0.1) }],
  ]);

  it('gives a file that reads back, in memory and on disk', async () => {
    const bytes = await encodeSafetensors(tensors, new Map([['axes', 'B T']]));
    const path = join(scratch, 'written.safetensors');
    await writeSafetensors(path, tensors, new Map([['axes', 'B T']]));
    expect(new Uint8Array(readFileSync(path))).toEqual(bytes);
    const opened = await openSafetensorsFile(await openFile(path));
    expect(opened.metadata.get('axes')).toBe('B T');
    expect([...(await opened.read('ids'))]).toEqual([1, 2]);
    expect([...(await opened.read('bytes'))]).toEqual([1, 2, 3]);
    expect([...(await opened.read('half'))]).toEqual([0.333251953125, Infinity, -0]);
    expect([...(await opened.read('full'))]).toEqual([Math.fround(0.1)]);
    for (const { inPlace, dtype } of opened.tensors.values()) {
      expect(inPlace!.offset % { I64: 8, F32: 4, F16: 2, U8: 1 }[dtype as 'U8']).toBe(0);
    }
    await opened.close();
  });

  it('refuses values that do not fit and leaves the old file untouched', async () => {
    const path = join(scratch, 'kept.safetensors');
    writeFileSync(path, 'old');
    const wrong = new Map<string, TensorToWrite>([['a', { dtype: 'F32', shape: [3], values: Float32Array.of(1) }]]);
    await expect(writeSafetensors(path, wrong)).rejects.toThrow(InputError);
    await expect(writeSafetensors(path, wrong)).rejects.toThrow(
      'tensor "a" of dtype F32 and shape [3] needs a Float32Array of 3 values, got a Float32Array of 1',
    );
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(scratch).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    await expect(writeSafetensors(join(scratch, 'no', 'x'), tensors)).rejects.toThrow(
      'cannot be written (no such file or folder)',
    );
    expect(existsSync(join(scratch, 'no'))).toBe(false);
  });
});
