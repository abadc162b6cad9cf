import type { z } from 'zod';
import { LoadError } from '../error.ts';
import type { Measured, ScanResult, SinkToken } from '../measure/result.ts';
import { escapeText } from './escape.ts';
import { scanSchema } from './scan.schema.ts';

/** The longest result that is read, in characters. */
const longest = 2 ** 29;

/**
 * Reads a result file. Nothing in it is trusted: shape, bounds, and every size that depends on another are checked, so that views can index freely.
 *
 * @param json the text of the file
 * @param name what to call it in errors; default `scan result`
 * @throws LoadError naming the place, what was expected and what came
 */
export function parseScanResult(json: string, name = 'scan result'): ScanResult {
  const where = escapeText(name);
  if (json.length > longest)
    throw new LoadError(`${where}: at most ${longest} characters are read, the file has ${json.length}`);
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    const reason = error instanceof Error ? escapeText(error.message) : 'unreadable';
    throw new LoadError(`${where}: expected JSON written by \`sinklab scan --json\`; ${reason}`);
  }
  return checkScanResult(value, where);
}

/** The same checks on a value in memory; the result is a copy with its fields in the order of the schema. */
export function checkScanResult(value: unknown, where = 'scan result'): ScanResult {
  const version = (value as { schema?: unknown } | null)?.schema;
  if (version !== 'sinklab.scan/1') {
    const came = version === undefined ? 'none' : escapeText(JSON.stringify(version)?.slice(0, 60) ?? String(version));
    throw new LoadError(`${where}: expected schema "sinklab.scan/1", found ${came}; scan again with this version`);
  }
  const parsed = scanSchema.safeParse(value);
  if (!parsed.success) throw new LoadError(`${where}: ${firstIssue(parsed.error)}`);
  checkSizes(parsed.data, where);
  return parsed.data;
}

function firstIssue(error: z.ZodError): string {
  const [issue] = error.issues;
  if (issue === undefined) return 'not a scan result';
  const path = issue.path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  const more = error.issues.length > 1 ? ` (and ${error.issues.length - 1} more places)` : '';
  return escapeText(`${path.replace(/^\./, '') || 'the file'}: ${issue.message}${more}`);
}

function checkSizes(result: ScanResult, where: string): void {
  const { layers: L, heads: H } = result.model;
  const S = result.input.page.length;
  const fail = (path: string, expected: string, came: string) => {
    throw new LoadError(`${where}: ${path}: expected ${expected}, found ${came}`);
  };
  const size = (path: string, list: readonly unknown[], expected: number, what: string) => {
    if (list.length !== expected) fail(path, `${expected} entries (one a ${what})`, String(list.length));
  };
  const grid = (path: string, rows: readonly (readonly unknown[] | null)[], columns: number, what: string) => {
    size(path, rows, L, 'layer');
    rows.forEach((row, i) => {
      if (row !== null) size(`${path}[${i}]`, row, columns, what);
    });
  };
  const below = (path: string, index: number, end: number, what: string) => {
    if (index >= end) fail(path, `a ${what} below ${end}`, String(index));
  };

  const { page, model } = result;
  if (L === 0 || H === 0) fail('model', 'at least one layer and one head', `${L} layers, ${H} heads`);
  if (S === 0) fail('input.page', 'at least one token', 'none');
  if (result.sinkRates.length === 0) fail('sinkRates', 'at least one epsilon', 'none');
  size('model.windows', model.windows, L, 'layer');
  for (const layer of model.learnedSinks) below('model.learnedSinks', layer, L, 'layer');
  result.input.page.forEach((token, i) => {
    if (token.position !== i) fail(`input.page[${i}].position`, String(i), String(token.position));
  });
  const without = result.received.map((row) => row === null);
  /** What is null must be so in the same layers everywhere: views look at one of them. */
  const missing = (path: string, rows: readonly unknown[]) => {
    const l = rows.findIndex((row, layer) => (row === null) !== without[layer]);
    if (l >= 0)
      fail(`${path}[${l}]`, without[l] ? 'null, as received' : 'values, as received', without[l] ? 'values' : 'null');
  };
  grid('alpha', result.alpha, H, 'head');
  grid('received', result.received, H, 'head');
  size('uniform', result.uniform, L, 'layer');
  grid('page.received', page.received, S, 'token of the page');
  grid('page.uniform', page.uniform, S, 'token of the page');
  grid('page.topSink', page.topSink, H, 'head');
  if (without.every((none) => none)) fail('received', 'at least one layer with an attention pattern', 'none');
  missing('alpha', result.alpha);
  missing('uniform', result.uniform);
  missing('page.received', page.received);
  missing('page.uniform', page.uniform);
  missing('page.topSink', page.topSink);
  if (page.learnedSink) grid('page.learnedSink', page.learnedSink, H, 'head');
  size('page.curves.largest', page.curves.largest, L, 'layer');
  size('page.curves.median', page.curves.median, L, 'layer');
  const measured = (where: string, list: readonly Measured[]) =>
    list.forEach((one, i) => {
      const path = `${where}[${i}]`;
      if (typeof one.baseline !== 'string') size(`${path}.baseline`, one.baseline, L, 'layer');
      if (one.kind === 'map') grid(`${path}.values`, one.values, H, 'head');
      else for (const [s, { values }] of one.series.entries()) size(`${path}.series[${s}].values`, values, L, 'layer');
    });
  measured('page.measured', page.measured);
  const sinks = (where: string, list: readonly SinkToken[], end: number) =>
    list.forEach((sink, i) => {
      below(`${where}[${i}].position`, sink.position, end, 'position');
      below(`${where}[${i}].firstLayer`, sink.firstLayer, L, 'layer');
      below(`${where}[${i}].lastLayer`, sink.lastLayer, L, 'layer');
    });
  sinks('page.sinks', page.sinks, S);
  page.highNorm?.forEach((token, i) => {
    below(`page.highNorm[${i}].position`, token.position, S, 'position');
    for (const name of ['layer', 'firstLayer', 'lastLayer'] as const)
      below(`page.highNorm[${i}].${name}`, token[name], L, 'layer');
  });
  page.massive.forEach((entry, i) => {
    below(`page.massive[${i}].layer`, entry.layer, L, 'layer');
    below(`page.massive[${i}].position`, entry.position, S, 'position');
  });
  page.patterns.forEach((sample, i) => {
    below(`page.patterns[${i}].layer`, sample.layer, L, 'layer');
    below(`page.patterns[${i}].head`, sample.head, H, 'head');
    if (sample.T === 0 || sample.T > S) fail(`page.patterns[${i}].T`, `1 to ${S} tokens`, String(sample.T));
    base64Size(`page.patterns[${i}].values`, sample.values, sample.T * sample.T, fail);
    if (sample.sink !== undefined) base64Size(`page.patterns[${i}].sink`, sample.sink, sample.T, fail);
  });
  const { picture, spectrogram } = result.input;
  if (picture) base64Size('input.picture.rgb', picture.rgb, picture.width * picture.height * 3, fail);
  if (spectrogram)
    base64Size('input.spectrogram.values', spectrogram.values, spectrogram.bins * spectrogram.columns, fail);
  if (page.cross) {
    const { keys, received, top, topKey, patterns } = page.cross;
    if (keys.length === 0) fail('page.cross.keys', 'at least one key', 'none');
    keys.forEach((token, i) => {
      if (token.position !== i) fail(`page.cross.keys[${i}].position`, String(i), String(token.position));
    });
    grid('page.cross.received', received, keys.length, 'key');
    grid('page.cross.topKey', topKey, H, 'head');
    below('page.cross.top', top, keys.length, 'key');
    sinks('page.cross.sinks', page.cross.sinks, keys.length);
    measured('page.cross.measured', page.cross.measured);
    patterns.forEach((sample, i) => {
      const path = `page.cross.patterns[${i}]`;
      below(`${path}.layer`, sample.layer, L, 'layer');
      below(`${path}.head`, sample.head, H, 'head');
      if (sample.T === 0 || sample.T > S) fail(`${path}.T`, `1 to ${S} tokens`, String(sample.T));
      if (sample.S !== keys.length) fail(`${path}.S`, `${keys.length} keys`, String(sample.S));
      base64Size(`${path}.values`, sample.values, sample.T * sample.S, fail);
    });
  }
  for (const { name, received } of result.controls) {
    grid(`controls "${name}" received`, received, H, 'head');
    missing(`controls "${name}" received`, received);
  }
}

function base64Size(
  path: string,
  values: string,
  length: number,
  fail: (path: string, expected: string, came: string) => void,
): void {
  const characters = Math.ceil(length / 3) * 4;
  if (values.length !== characters || /[^A-Za-z0-9+/=]/.test(values))
    fail(path, `${characters} characters of base64 (${length} bytes)`, `${values.length} characters`);
}
