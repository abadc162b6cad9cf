/**
 * Mutation fuzzing of the readers of untrusted files.
 *
 *     npx vite-node --script scripts/fuzz-readers.ts [--count 100000] [--seed 1] [--reader safetensors|index|gguf|config|tokenizer]
 *
 * Each mutant of a small valid file must be refused with a LoadError or mean exactly what an independent naive parser reads,
 * within a second and without holding more than 256 MB; the table counts the stages at which mutants were refused.
 */
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { LoadError } from '../src/error.ts';
import { memoryFolder, memorySource } from '../src/load/bytes-memory.ts';
import { ConfigReader } from '../src/load/config.ts';
import { harmlessDecoderKeys, harmlessKeys } from '../src/load/config-harmless.ts';
import { parseGgufHeader } from '../src/load/gguf/header.ts';
import { openGguf } from '../src/load/gguf.ts';
import { readRope } from '../src/load/rope-config.ts';
import { openSafetensors } from '../src/load/safetensors.ts';
import { openSafetensorsFile } from '../src/load/safetensors-file.ts';
import { parseJsonObject } from '../src/load/strict-json.ts';
import { createTokenizer } from '../src/load/tokenizer.ts';
import { bundled } from '../test/fixtures.ts';
import { mutate, mutateValue, type Next, random } from '../test/load/mutate.ts';
import {
  naiveGguf,
  naiveGgufValues,
  naiveHalfSplit,
  naiveLlamaName,
  naiveSafetensors,
} from '../test/load/naive-readers.ts';

/** Throws a LoadError when it refuses; returns what differs from the naive parse, if anything. */
type Target = (bytes: Uint8Array) => Promise<string | undefined>;

export interface Reader {
  readonly seeds: readonly Uint8Array[];
  readonly target: Target;
  /** One mutant; default: bytes and JSON values of a seed changed at random. */
  readonly mutant?: (seeds: readonly Uint8Array[], next: Next) => Uint8Array;
  /** Stage by stage: what a refusal's message says. The first that fits counts. */
  readonly stages: readonly (readonly [stage: string, message: RegExp])[];
}

const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

function safetensorsSeed(): Uint8Array {
  const entry = (dtype: string, shape: number[], begin: number, end: number) => ({
    dtype,
    shape,
    data_offsets: [begin, end],
  });
  const header = json({
    __metadata__: { format: 'pt' },
    'a.weight': entry('F32', [2, 3], 0, 24),
    'a.bias': entry('F16', [3], 24, 30),
    'b.weight': entry('BF16', [2, 2], 30, 38),
    ids: entry('I64', [2], 38, 54),
    flags: entry('BOOL', [3], 54, 57),
    bytes: entry('U8', [4], 57, 61),
    wide: entry('F64', [1], 61, 69),
  });
  const bytes = new Uint8Array(8 + header.length + 69);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
  bytes.set(header, 8);
  for (let i = 0; i < 69; i++)
    bytes[8 + header.length + i] = i < 38 || i >= 57 ? (i * 37) & 127 : i === 38 || i === 55 ? 1 : 0;
  return bytes;
}

const same = (a: number, b: number): boolean => Object.is(a, b) || a === b;

const safetensors: Reader = {
  seeds: [safetensorsSeed()],
  async target(bytes) {
    const file = await openSafetensorsFile(memorySource('mutant', bytes));
    const naive = naiveSafetensors(bytes);
    if (naive === undefined || naive.size !== file.tensors.size) return 'the naive parser finds other tensors';
    for (const [name, { shape }] of file.tensors) {
      const values = await file.read(name);
      const other = naive.get(name);
      if (other === undefined || !isDeepStrictEqual(other.shape, [...shape])) return `tensor ${name} differs in shape`;
      if (values.length !== other.values.length || !values.every((value, i) => same(value, other.values[i]!))) {
        return `tensor ${name} differs in values`;
      }
    }
    return undefined;
  },
  stages: [
    ['header length', /too few for a header|header length/],
    ['JSON', /header must start with|not valid JSON|not valid UTF-8|occurs twice|nested deeper/],
    ['schema', /must be|must have|unknown key|is not supported|impossible shape|its offsets span/],
    ['layout', /overlaps|leaves a hole|ends at byte|belong to no tensor/],
    ['tensor read', /element \d+ is/],
  ],
};

const shards = new Map(['one', 'two'].map((name) => [`${name}.safetensors`, shardOf(name)]));

function shardOf(name: string): Uint8Array {
  const header = json({ [`${name}.weight`]: { dtype: 'U8', shape: [2], data_offsets: [0, 2] } });
  const bytes = new Uint8Array(8 + header.length + 2);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
  bytes.set(header, 8);
  return bytes;
}

const index: Reader = {
  seeds: [
    json({
      metadata: { total_size: 4 },
      weight_map: { 'one.weight': 'one.safetensors', 'two.weight': 'two.safetensors' },
    }),
  ],
  async target(bytes) {
    const files = new Map([...shards, ['config.json', json({})], ['model.safetensors.index.json', bytes]]);
    const checkpoint = await openSafetensors(memoryFolder('model', files));
    const naive = JSON.parse(new TextDecoder().decode(bytes)).weight_map;
    return isDeepStrictEqual(Object.keys(naive).sort(), [...checkpoint.tensors.keys()].sort())
      ? undefined
      : 'other tensors';
  },
  stages: [
    ['JSON', /not valid JSON|not valid UTF-8|occurs twice|expected a JSON object|nested deeper/],
    ['schema', /weight_map must be|unknown key|weight_map is empty/],
    ['paths', /plain \.safetensors file/],
    ['shards', /is missing|does not hold it|which the index/],
  ],
};

const gguf: Reader = {
  seeds: [new Uint8Array(readFileSync(bundled('gguf/llama-q8_0.gguf'))).slice()],
  async target(bytes) {
    const header = await parseGgufHeader(memorySource('mutant', bytes));
    const naive = naiveGguf(bytes);
    if (naive === undefined) return 'the naive parser stumbles';
    if (!isDeepStrictEqual(naive.metadata, new Map(header.metadata))) return 'metadata differ';
    for (const { name, shape, offset, bytes: size } of header.tensors) {
      const other = naive.tensors.get(name);
      if (other === undefined || !isDeepStrictEqual(other.shape, [...shape]) || other.at !== offset)
        return `${name} differs`;
      if (offset + size > bytes.length) return `${name} reaches out of the file`;
    }
    const checkpoint = await openGguf(memorySource('mutant', bytes));
    if (checkpoint.config.model_type !== 'llama') return undefined;
    for (const [stored, other] of naive.tensors) {
      const name = naiveLlamaName(stored);
      let expected = naiveGgufValues(bytes, other);
      if (name === undefined || expected === undefined) continue;
      const heads = /attn_q/.test(stored) ? 'num_attention_heads' : 'num_key_value_heads';
      if (/attn_[qk]\./.test(stored))
        expected = naiveHalfSplit(expected, other.shape[0]!, checkpoint.config[heads] as number);
      const values = await checkpoint.read(name);
      if (values.length !== expected.length || !values.every((value, at) => same(value, expected[at]!))) {
        return `${name} differs in values`;
      }
    }
    return undefined;
  },
  stages: [
    ['start', /letters GGUF|expected version/],
    ['counts', /cannot hold|the number of/],
    ['metadata', /metadata key|metadata "|array of arrays|the length of|a metadata key|said to have/],
    [
      'tensor table',
      /dimensions|is not supported \(known: F32|impossible shape|a tensor name|occurs twice|a size of|the offset of/,
    ],
    ['layout', /lies at byte|ends at byte|header ends|belong to no tensor|general\.alignment/],
    ['architecture', /architecture|is missing|cannot be divided|rope_freqs|there is no tensor/],
    ['configuration', /metadata: /],
  ],
};

const config: Reader = {
  seeds: ['llama', 'gpt_oss', 'gemma3'].flatMap((family) =>
    ['config.json', 'config.v5.json'].map(
      (name) => new Uint8Array(readFileSync(bundled(`families/${family}/${name}`))),
    ),
  ),
  async target(bytes) {
    const parsed = parseJsonObject(bytes, 'config.json');
    const c = new ConfigReader(parsed, 'config.json');
    const naive = JSON.parse(new TextDecoder().decode(bytes));
    const width = c.int('hidden_size', { min: 1 });
    const heads = c.int('num_attention_heads', { min: 1 });
    const epsilon = c.number('rms_norm_eps', { default: 1e-6 });
    const act = c.oneOf('hidden_act', ['silu', 'gelu'], { default: 'silu' });
    const tied = c.bool('tie_word_embeddings', { default: false });
    const kinds = c.list('layer_types', ['sliding_attention', 'full_attention'], { default: undefined });
    if (!c.has('rope_local_base_freq') && naive.rope_parameters?.full_attention === undefined) readRope(c);
    else c.ignore(['rope_local_base_freq', 'rope_parameters', 'rope_theta']);
    c.ignore([...harmlessKeys, ...harmlessDecoderKeys, ...otherKeys]);
    c.done();
    const expected = [
      naive.hidden_size,
      naive.num_attention_heads,
      naive.rms_norm_eps ?? 1e-6,
      naive.hidden_act ?? 'silu',
    ];
    const rest = [naive.tie_word_embeddings ?? false, naive.layer_types ?? undefined];
    return isDeepStrictEqual([width, heads, epsilon, act, tied, kinds], [...expected, ...rest])
      ? undefined
      : 'values differ';
  },
  stages: [
    ['JSON', /not valid JSON|not valid UTF-8|occurs twice|expected a JSON object|nested deeper/],
    ['unread keys', /not understood/],
    ['rotary', /"(rope|rotary|partial)/],
    ['value', /expected/],
  ],
};

const otherKeys = Object.keys(
  Object.assign({}, ...config.seeds.map((seed) => JSON.parse(new TextDecoder().decode(seed)))),
).filter((key) => !key.startsWith('rope'));

/** Ids of a tokenizer.json as a plain reading finds them: token by id, and the vocabulary's end. */
function naiveVocabulary(bytes: Uint8Array): Map<number, string> {
  const { model, added_tokens } = JSON.parse(new TextDecoder().decode(bytes));
  const found = new Map<number, string>(
    Object.entries(model.vocab as Record<string, number>).map(([token, id]) => [id, token]),
  );
  for (const { id, content } of (added_tokens ?? []) as { id: number; content: string }[]) found.set(id, content);
  return found;
}

const tokenizer: Reader = {
  seeds: [new Uint8Array(readFileSync(bundled('tokenizers/folder/tokenizer.json')))],
  // Half of the mutants are changed value by value, to reach past the JSON.
  mutant(seeds, next) {
    if (next(2) === 0) return mutate(seeds[0]!, seeds, next);
    const value: unknown = JSON.parse(new TextDecoder().decode(seeds[0]));
    for (let i = 0; i <= next(3); i++) mutateValue(value, () => next(2 ** 31) / 2 ** 31);
    return json(value);
  },
  async target(bytes) {
    const made = createTokenizer({ tokenizer: parseJsonObject(bytes, 'tokenizer.json') });
    const naive = naiveVocabulary(bytes);
    if (made.vocabularySize !== Math.max(...naive.keys()) + 1) return 'the vocabulary has another size';
    const ids = made.encode('Sinks, 42 of them\n«é»');
    if (!ids.every((id) => naive.has(id))) return 'an id is in no vocabulary';
    made.decode(ids);
    return undefined;
  },
  stages: [
    ['JSON', /not valid JSON|not valid UTF-8|occurs twice|expected a JSON object|nested deeper/],
    ['model', /"(model|added_tokens)|vocab|merges/],
    ['stages', /"(normalizer|pre_tokenizer|post_processor|decoder)|stage|pattern|is not supported/],
    ['use', /cannot be used|too long|too large|took|id /],
  ],
};

export const readers = { safetensors, index, gguf, config, tokenizer };
export type ReaderName = keyof typeof readers;

export interface Coverage {
  /** Mutants refused at each stage; `other` holds messages no stage claims. */
  readonly refused: Record<string, number>;
  readonly accepted: number;
  /** Crashes, differences and time-outs: must be empty. */
  readonly failures: string[];
  /** Longest time for one mutant, in ms. */
  readonly slowest: number;
  /** Largest growth of heap and buffers in one mutant that was measured, in bytes. */
  readonly largest: number;
}

export interface FuzzOptions {
  readonly reader: ReaderName;
  readonly count: number;
  readonly seed: number;
}

function heldBytes(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** Runs `count` mutants of one reader's seeds; the same seed gives the same mutants. */
export async function fuzz({ reader, count, seed }: FuzzOptions): Promise<Coverage> {
  const {
    seeds,
    target,
    stages,
    mutant = (from, draw) => mutate(from[draw(from.length)]!, from, draw),
  }: Reader = readers[reader];
  const next = random(seed);
  const refused: Record<string, number> = Object.fromEntries([...stages.map(([stage]) => [stage, 0]), ['other', 0]]);
  const failures: string[] = [];
  let [accepted, slowest, largest] = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    const bytes = mutant(seeds, next);
    const before = heldBytes();
    const start = performance.now();
    try {
      const difference = await target(bytes);
      accepted++;
      if (difference !== undefined) failures.push(`mutant ${i}: accepted, but ${difference}`);
    } catch (error) {
      if (!(error instanceof LoadError)) failures.push(`mutant ${i}: ${(error as Error).stack}`);
      const message = (error as Error).message;
      const stage = stages.find(([, pattern]) => pattern.test(message))?.[0] ?? 'other';
      refused[stage] = refused[stage]! + 1;
      if (stage === 'other') failures.push(`mutant ${i}: no stage for: ${message}`);
    }
    const time = performance.now() - start;
    slowest = Math.max(slowest, time);
    largest = Math.max(largest, heldBytes() - before);
    if (time > 1000) failures.push(`mutant ${i}: took ${Math.round(time)} ms`);
    if (largest > 256e6) failures.push(`mutant ${i}: held ${largest} bytes more`);
  }
  return { refused, accepted, failures, slowest, largest };
}

/** The command line; returns the number of failures. */
export async function main(argv: readonly string[]): Promise<number> {
  const option = (name: string): string | undefined => {
    const at = argv.indexOf(`--${name}`);
    return at < 0 ? undefined : argv[at + 1];
  };
  const count = Number(option('count') ?? 100_000);
  const seed = Number(option('seed') ?? 1);
  const chosen = option('reader');
  const names = (Object.keys(readers) as ReaderName[]).filter((name) => chosen === undefined || chosen === name);
  let failed = 0;
  for (const reader of names) {
    const { refused, accepted, failures, slowest, largest } = await fuzz({
      reader,
      count: Math.ceil(count / names.length),
      seed,
    });
    console.log(
      `${reader}: accepted ${accepted}, slowest ${slowest.toFixed(1)} ms, most memory ${(largest / 1e6).toFixed(1)} MB`,
    );
    for (const [stage, number] of Object.entries(refused)) console.log(`  ${stage.padEnd(16)} ${number}`);
    for (const failure of failures.slice(0, 10)) console.log(`  FAILED ${failure}`);
    failed += failures.length;
  }
  return failed;
}

if (process.argv[1]?.endsWith('fuzz-readers.ts')) process.exitCode = (await main(process.argv)) === 0 ? 0 : 1;
