import { describe, expect, it } from 'vitest';
import { commands } from '../../src/cli/commands/index.ts';
import { checkMemory } from '../../src/cli/memory.ts';
import { byteCount, indices, positive, whole } from '../../src/cli/options.ts';
import { sinklab } from './terminal.ts';

describe('the command line', () => {
  it('without a command shows its help on standard error and exits with 2', async () => {
    const { code, out, err } = await sinklab();
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(/^Usage: sinklab/);
  });

  it('--help and --version print to standard output and exit with 0', async () => {
    const { code, out, err } = await sinklab('--help');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    for (const command of [
      'scan',
      'info',
      'capture',
      'compare',
      'verify',
      'stream',
      'chat',
      'train',
      'emergence',
      'mechanisms',
      'claims',
    ])
      expect(out).toMatch(new RegExp(`^  ${command} `, 'm'));
    expect(await sinklab('--version')).toEqual({ code: 0, out: '0.1.0\n', err: '' });
  });

  it.each([
    'scan',
    'info',
    'capture',
    'compare',
    'verify',
    'stream',
    'chat',
    'train',
    'emergence',
    'mechanisms',
    'claims',
  ])('%s --help has examples', async (command) => {
    const { code, out } = await sinklab(command, '--help');
    expect(code).toBe(0);
    expect(out).toContain(`  $ sinklab ${command}`);
    expect(commands.length).toBe(12);
  });

  it.each([
    [['bogus'], "sinklab: unknown command 'bogus'"],
    [['verify'], "sinklab: missing required argument 'model'"],
    [['info', '--bogus'], "sinklab: unknown option '--bogus'"],
    [
      ['info', '--threads', '0'],
      "sinklab: option '--threads <n>' argument '0' is invalid. expected a whole number from 1 to 1024",
    ],
    [
      ['info', '--device', 'cuda'],
      "sinklab: option '--device <name>' argument 'cuda' is invalid. Allowed choices are cpu.",
    ],
    [['capture', '--out', 'x'], "sinklab: required option '--hook <name...>' not specified"],
  ])('wrong usage %j exits with 2 and says what is wrong', async (args, message) => {
    const { code, out, err } = await sinklab(...args);
    expect({ code, out, first: err.split('\n')[0] }).toEqual({ code: 2, out: '', first: message });
  });

  it('what a user can act on is one line on standard error, with exit code 1 and no stack', async () => {
    expect(await sinklab('info', './no-such-model')).toEqual({
      code: 1,
      out: '',
      err: 'sinklab: model "./no-such-model": no such file or folder\n',
    });
  });

  it('hostile names cannot write escape sequences to the terminal', async () => {
    const { err } = await sinklab('info', './\u001b[31mred\u202e');
    expect(err).toBe('sinklab: model "./\\u001b[31mred\\u{202e}": no such file or folder\n');
  });
});

describe('option values', () => {
  it('indices are lists and ranges, repeated options add up', () => {
    expect(indices('0,3-5')).toEqual([0, 3, 4, 5]);
    expect(indices('4, 1', [2])).toEqual([1, 2, 4]);
    for (const bad of ['', 'a', '-1', '5-3', '1.5', '0-9999999'])
      expect(() => indices(bad)).toThrow('expected indices from 0 such as 0,3-5');
  });

  it('bytes have decimal and binary units', () => {
    expect(['1000', '1kB', '500MB', '1.5GB', '2GiB'].map(byteCount)).toEqual([1000, 1000, 5e8, 1.5e9, 2 ** 31]);
    for (const bad of ['', '-1', '1PB', '1e9']) expect(() => byteCount(bad)).toThrow('expected a number of bytes');
  });

  it('numbers are positive and whole numbers in range', () => {
    expect([positive('1e-4'), whole(1, 8)('8')]).toEqual([1e-4, 8]);
    for (const bad of ['0', '-1', 'NaN', '', 'Infinity'])
      expect(() => positive(bad)).toThrow('expected a number above 0');
    for (const bad of ['0', '9', '1.5', ''])
      expect(() => whole(1, 8)(bad)).toThrow('expected a whole number from 1 to 8');
  });
});

describe('memory', () => {
  it('more than the machine has is an error with both figures, more than is free a note', () => {
    const machine = { total: 8e9, free: 2e9 };
    expect(checkMemory(1e9, 'it', 'use less', machine)).toBeUndefined();
    expect(checkMemory(3e9, 'it', 'use less', machine)).toBe(
      'it takes about 3.00 GB, of which 2.00 GB are free now; it may be slow or be stopped',
    );
    expect(() => checkMemory(9e9, 'it', 'use less', machine)).toThrow(
      'memory: it takes about 9.00 GB, this machine has 8.00 GB; use less',
    );
  });
});
