import { describe, expect, it } from 'vitest';
import { LoadError } from '../../src/error.ts';
import { ConfigReader } from '../../src/load/config.ts';
import { harmlessDecoderKeys, harmlessKeys } from '../../src/load/config-harmless.ts';

const reader = (text: string) => new ConfigReader(JSON.parse(text), 'config.json');

describe('ConfigReader', () => {
  it('reads values of every kind', () => {
    const c = reader('{"i":3,"n":0.5,"b":true,"s":"x","o":"silu","l":["a","b"],"k":[1,2],"c":{"d":1}}');
    expect(c.int('i')).toBe(3);
    expect(c.number('n')).toBe(0.5);
    expect(c.bool('b')).toBe(true);
    expect(c.string('s')).toBe('x');
    expect(c.oneOf('o', ['silu', 'gelu'])).toBe('silu');
    expect(c.list('l', ['a', 'b'], { length: 2 })).toEqual(['a', 'b']);
    expect(c.ints('k')).toEqual([1, 2]);
    expect(c.object('c')!.int('d')).toBe(1);
    expect(() => c.done()).not.toThrow();
  });

  it('counts null as absent and gives the default', () => {
    const c = reader('{"n_inner":null,"x":null}');
    expect(c.has('n_inner')).toBe(false);
    expect([c.isNull('n_inner'), c.isNull('other')]).toEqual([true, false]);
    expect(c.int('n_inner', { default: 128 })).toBe(128);
    expect(c.int('other', { default: undefined })).toBeUndefined();
    expect(c.object('x')).toBeUndefined();
    expect(() => c.done()).not.toThrow();
  });

  it('names the file, the key, what was expected and what came', () => {
    const c = reader('{"a":"5","b":-1,"c":1e400,"d":[1],"e":"relu6","f":["x"]}');
    expect(() => c.int('a', { max: 9 })).toThrow('config.json: "a" expected a whole number from 0 to 9, got "5"');
    expect(() => c.int('b')).toThrow('config.json: "b" expected a whole number from 0 to 2147483647, got -1');
    expect(() => c.number('c')).toThrow('config.json: "c" expected a number from 0 to 1000000000000, got Infinity');
    expect(() => c.object('d')).toThrow('config.json: "d" expected an object, got [1]');
    expect(() => c.oneOf('e', ['relu'])).toThrow('config.json: "e" expected "relu", got "relu6"');
    expect(() => c.list('f', ['y'])).toThrow('config.json: "f" expected a list of "y", got ["x"]');
    expect(() => c.int('missing')).toThrow(
      'config.json: "missing" expected a whole number from 0 to 2147483647, got nothing',
    );
    expect(() => c.int('missing')).toThrow(LoadError);
  });

  it('lists all keys nobody read at once, nested ones with their path', () => {
    const c = reader(
      '{"used":1,"hidden_scale":2,"use_magic":false,"nested":{"odd":1},"torch_dtype":"float32","gone":null}',
    );
    c.int('used');
    c.object('nested');
    c.ignore(harmlessKeys);
    expect(() => c.done()).toThrow(
      'config.json: these keys are not understood and may change results: "hidden_scale", "nested.odd", "use_magic"',
    );
  });

  it('treats __proto__ and other inherited names as ordinary keys', () => {
    const c = reader('{"__proto__":{"hidden_size":3},"constructor":1}');
    expect(c.has('hidden_size')).toBe(false);
    expect(c.has('toString')).toBe(false);
    expect(c.unread()).toEqual(['__proto__', 'constructor']);
  });

  it('holds no key that changes results among the harmless ones', () => {
    const risky = [
      'auto_map',
      'quantization_config',
      'rope_scaling',
      'tie_word_embeddings',
      'sliding_window',
      'pruned_heads',
    ];
    for (const key of risky) expect([...harmlessKeys, ...harmlessDecoderKeys]).not.toContain(key);
    expect(harmlessKeys).not.toContain('pad_token_id');
  });
});
