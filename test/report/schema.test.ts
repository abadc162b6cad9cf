import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { LoadError } from '../../src/error.ts';
import type { MeasuredCurves, MeasuredMap, ScanResult } from '../../src/measure/result.ts';
import { writeJson } from '../../src/report/json.ts';
import { parseScanResult } from '../../src/report/parse.ts';
import type { scanSchema } from '../../src/report/scan.schema.ts';
import { example } from './example.ts';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Flattens intersections and aliases so that equal shapes compare as equal. */
type Shape<T> = T extends object ? { [K in keyof T]: Shape<T[K]> } : T;
const sameShape: Equal<Shape<z.infer<typeof scanSchema>>, Shape<ScanResult>> = true;
const otherShape: Equal<Shape<Omit<ScanResult, 'notes'>>, Shape<ScanResult>> = false;

const error = (change: (result: ScanResult) => void, name?: string): string => {
  const result = example({ layers: 4, heads: 2, tokens: 70 });
  change(result);
  try {
    parseScanResult(JSON.stringify(result), name);
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(LoadError);
    return (thrown as LoadError).message;
  }
  return 'no error';
};

describe('scanSchema', () => {
  it('has exactly the type ScanResult', () => {
    expect([sameShape, otherShape]).toEqual([true, false]);
  });
});

describe('parseScanResult', () => {
  it('returns what writeJson wrote, hostile tokens included', () => {
    const result = example({ layers: 6, heads: 3, tokens: 80, windows: true, learnedSinks: true });
    const read = parseScanResult(writeJson(result));
    expect(read.input.page).toEqual(result.input.page);
    expect(read.page.patterns).toEqual(result.page.patterns);
    expect(read).toEqual(result);
  });

  it('names the file and says that it is not JSON', () => {
    expect(() => parseScanResult('{"schema"', 'a\u001b.json')).toThrow(
      /^a\\x1b\.json: expected JSON written by `sinklab scan --json`; /,
    );
  });

  it('names a schema of another version', () => {
    expect(error((result) => Object.assign(result, { schema: 'sinklab.scan/2' }), 'old.json')).toBe(
      'old.json: expected schema "sinklab.scan/1", found "sinklab.scan/2"; scan again with this version',
    );
    expect(() => parseScanResult('[]')).toThrow('scan result: expected schema "sinklab.scan/1", found none');
    expect(() => parseScanResult('null')).toThrow('scan result: expected schema "sinklab.scan/1", found none');
  });

  it('names the place of a value of the wrong kind', () => {
    expect(error((result) => Object.assign(result.received[1]!, { 0: 'much' }))).toBe(
      'scan result: received[1][0]: Invalid input: expected number, received string',
    );
  });

  it('refuses an unknown field', () => {
    expect(error((result) => Object.assign(result.run, { host: 'x' }))).toBe(
      'scan result: run: Unrecognized key: "host"',
    );
  });

  it('refuses a share above 1', () => {
    expect(error((result) => Object.assign(result.alpha[0]!, { 1: 1.5 }))).toMatch(
      /^scan result: alpha\[0\]\[1\]: Too big/,
    );
  });

  it.each<[string, (result: ScanResult) => void, string]>([
    ['a missing layer', (r) => r.received.pop(), 'received: expected 4 entries (one a layer), found 3'],
    ['a missing head', (r) => r.alpha[2]!.pop(), 'alpha[2]: expected 2 entries (one a head), found 1'],
    [
      'a missing token',
      (r) => r.page.received[3]!.pop(),
      'page.received[3]: expected 70 entries (one a token of the page), found 69',
    ],
    [
      'a curve too short',
      (r) => r.page.curves.median.pop(),
      'page.curves.median: expected 4 entries (one a layer), found 3',
    ],
    [
      'a measured curve too short',
      (r) => (r.page.measured[1] as MeasuredCurves).series[0]!.values.pop(),
      'page.measured[1].series[0].values: expected 4 entries (one a layer), found 3',
    ],
    [
      'a measured map without a head',
      (r) => (r.page.measured[0] as MeasuredMap).values[2]!.pop(),
      'page.measured[0].values[2]: expected 2 entries (one a head), found 1',
    ],
    [
      'a baseline too short',
      (r) => (r.page.measured[0]!.baseline as number[]).pop(),
      'page.measured[0].baseline: expected 4 entries (one a layer), found 3',
    ],
    [
      'a sink outside the page',
      (r) => Object.assign(r.page.sinks[0]!, { position: 70 }),
      'page.sinks[0].position: expected a position below 70, found 70',
    ],
    [
      'a pattern cut short',
      (r) => Object.assign(r.page.patterns[0]!, { values: 'AAAA' }),
      'page.patterns[0].values: expected 6536 characters of base64 (4900 bytes), found 4 characters',
    ],
    [
      'a pattern larger than the page',
      (r) => Object.assign(r.page.patterns[0]!, { T: 71 }),
      'page.patterns[0].T: expected 1 to 70 tokens, found 71',
    ],
    ['positions out of order', (r) => r.input.page.reverse(), 'input.page[0].position: expected 0, found 69'],
    ['no token', (r) => r.input.page.splice(0), 'input.page: expected at least one token, found none'],
  ])('refuses %s', (_, change, message) => {
    expect(error(change)).toBe(`scan result: ${message}`);
  });
});

describe('writeJson', () => {
  it('writes the same bytes whatever the order of the fields', () => {
    const result = example({ layers: 3, heads: 2, tokens: 64 });
    const reversed = Object.fromEntries(Object.entries(result).reverse()) as unknown as ScanResult;
    expect(writeJson(reversed)).toBe(writeJson(result));
  });

  it('keeps integers whole and other numbers to six significant digits', () => {
    const result = example({ layers: 3, heads: 2, tokens: 64 });
    result.run.peakBytes = 1_234_567_891;
    result.run.seconds = 1.23456789;
    result.uniform[0] = 0.000012345678;
    const read = parseScanResult(writeJson(result));
    expect([read.run.peakBytes, read.run.seconds, read.uniform[0]]).toEqual([1_234_567_891, 1.23457, 0.0000123457]);
  });

  it('refuses a NaN instead of writing null', () => {
    const result = example({ layers: 3, heads: 2, tokens: 64 });
    result.received[0]![1] = Number.NaN;
    expect(() => writeJson(result)).toThrow(
      'scan result: received[0][1]: Invalid input: expected number, received NaN',
    );
  });
});
