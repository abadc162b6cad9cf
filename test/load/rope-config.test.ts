import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ConfigReader } from '../../src/load/config.ts';
import { readRope, readRopeByLayerType } from '../../src/load/rope-config.ts';
import { bundled, fixtures } from '../fixtures.ts';

const folder = fixtures();

function config(family: string, name: string): ConfigReader {
  const path = folder === undefined ? bundled(`families/${family}/${name}`) : `${folder}/families/${family}/${name}`;
  return new ConfigReader(JSON.parse(readFileSync(path, 'utf8')), name);
}

const yarnOfGptOss = {
  kind: 'yarn',
  theta: 150_000,
  partial: 1,
  factor: 32,
  originalMaxPositions: 4,
  betaFast: 32,
  betaSlow: 1,
  truncate: false,
};
const plain = { kind: 'default', theta: 10_000, partial: 1 };
const expected: Record<string, unknown> = {
  llama: plain,
  gpt_oss: yarnOfGptOss,
  llama3_scaled: {
    kind: 'llama3',
    theta: 500_000,
    partial: 1,
    factor: 8,
    lowFrequencyFactor: 1,
    highFrequencyFactor: 4,
    originalMaxPositions: 64,
  },
  llama_bias: plain,
  llama_linear: { kind: 'linear', theta: 10_000, partial: 1, factor: 2 },
  llama_tied: plain,
  llama_yarn: { ...yarnOfGptOss, theta: 10_000, factor: 4, originalMaxPositions: 32, truncate: true },
  mistral: plain,
  qwen2: plain,
  qwen3: plain,
  gpt_oss_mxfp4: yarnOfGptOss,
  gpt_neox: { ...plain, partial: 0.5 },
  gpt_neox_serial: plain,
};
const read = (c: Record<string, unknown>, options = {}) => readRope(new ConfigReader(c, 'config.json'), options);

describe('rotary settings', () => {
  for (const [family, rope] of Object.entries(expected)) {
    const absent = folder === undefined && family !== 'llama' && family !== 'gpt_oss';
    it.skipIf(absent)(`of ${family} have one normal form in both spellings (needs the reference fixtures)`, () => {
      expect(readRope(config(family, 'config.json'))).toEqual(rope);
      expect(readRope(config(family, 'config.v5.json'))).toEqual(rope);
    });
  }

  it('of Gemma 3 differ by layer type, the same in both spellings', () => {
    const rope = { full_attention: { ...plain, theta: 1_000_000 }, sliding_attention: plain };
    expect(readRopeByLayerType(config('gemma3', 'config.json'))).toEqual(rope);
    expect(readRopeByLayerType(config('gemma3', 'config.v5.json'))).toEqual(rope);
  });

  it('of Gemma 3 with linear scaling scale full attention only', () => {
    const c = { rope_theta: 1e6, rope_local_base_freq: 1e4, rope_scaling: { type: 'linear', factor: 8 } };
    expect(readRopeByLayerType(new ConfigReader(c, 'c'))).toEqual({
      full_attention: { kind: 'linear', theta: 1e6, partial: 1, factor: 8 },
      sliding_attention: plain,
    });
  });

  it('of LFM3 turn the first half of the frequencies in full attention', () => {
    const full = { rope_theta: 1e6, rope_type: 'proportional', partial_rotary_factor: 0.5 };
    const c = {
      rope_parameters: { full_attention: full, sliding_attention: { rope_theta: 1e4, rope_type: 'default' } },
    };
    expect(readRopeByLayerType(new ConfigReader(c, 'c'))).toEqual({
      full_attention: { kind: 'proportional', theta: 1e6, partial: 0.5, factor: 1 },
      sliding_attention: plain,
    });
  });

  it('take the family defaults when the file names none', () => {
    expect(read({}, { theta: 5, partial: 0.25 })).toEqual({ kind: 'default', theta: 5, partial: 0.25 });
  });

  it('fall back to max_position_embeddings for YaRN', () => {
    const c = { rope_scaling: { rope_type: 'yarn', factor: 2, mscale: 1, mscale_all_dim: 0.5, attention_factor: 1.5 } };
    expect(read(c, { maxPositions: 77 })).toMatchObject({
      originalMaxPositions: 77,
      mscale: 1,
      mscaleAllDim: 0.5,
      attentionFactor: 1.5,
    });
    expect(() => read(c)).toThrow('"rope_scaling.original_max_position_embeddings" expected a number');
  });

  it('refuse kinds that are not served, disagreeing spellings and nonsense', () => {
    expect(() => read({ rope_scaling: { rope_type: 'longrope' } })).toThrow(
      'config.json: "rope_scaling.rope_type" expected one of "default", "proportional", "linear", "llama3", "yarn", got "longrope"',
    );
    expect(() => read({ rope_scaling: { type: 'linear', rope_type: 'yarn' } })).toThrow('"yarn" as rope_type says');
    expect(() => read({ rope_theta: 1e4, rope_parameters: { rope_theta: 2e4 } })).toThrow('the same settings');
    expect(() => read({ rope_theta: 1e4, rotary_emb_base: 2e4 })).toThrow('10000 like its other spelling');
    expect(() => read({ rope_theta: 0 })).toThrow('"rope_theta" expected a number from 1 to 1000000000000, got 0');
    expect(() => read({ rope_scaling: { type: 'linear' } })).toThrow('"rope_scaling.factor" expected');
    expect(() => read({ rope_scaling: 'linear' })).toThrow('"rope_scaling" expected an object, got "linear"');
  });

  it('leave keys they do not know to be reported', () => {
    const c = new ConfigReader({ rope_scaling: { type: 'linear', factor: 2, finetuned: true } }, 'config.json');
    readRope(c);
    expect(c.unread()).toEqual(['rope_scaling.finetuned']);
  });
});
