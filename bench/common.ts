import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

/** Options that every benchmark takes. */
export function options() {
  const { values } = parseArgs({
    options: {
      model: { type: 'string' },
      ids: { type: 'string' },
      tokens: { type: 'string' },
      threads: { type: 'string', default: '2' },
      repeat: { type: 'string', default: '5' },
      chunk: { type: 'string' },
      mode: { type: 'string', default: '' },
      save: { type: 'string' },
      python: { type: 'string', multiple: true, default: (process.env.SINKLAB_BENCH_PYTHON ?? '').split(':') },
      json: { type: 'boolean', default: false },
    },
  });
  const { model } = values;
  if (model === undefined) fail('expected --model PATH: a folder with config.json and safetensors, or a GGUF file');
  const whole = (name: 'tokens' | 'threads' | 'repeat' | 'chunk') => {
    const given = values[name];
    if (given !== undefined && !/^[1-9]\d*$/.test(given)) fail(`--${name}: expected a whole number, got "${given}"`);
    return given === undefined ? undefined : Number(given);
  };
  return {
    ...values,
    model,
    python: values.python.filter((path) => path !== ''),
    tokens: whole('tokens'),
    threads: whole('threads')!,
    repeat: whole('repeat')!,
    chunk: whole('chunk'),
  };
}

export type Options = ReturnType<typeof options>;

export function fail(message: string): never {
  console.error(`bench: ${message}`);
  process.exit(2);
}

/** The first `count` ids of a JSON list; of a short list its repetition, which costs the same. */
export function readIds(file: string | undefined, count: number | undefined): number[] {
  if (file === undefined) fail('expected --ids FILE: a JSON list of token ids');
  const ids = JSON.parse(readFileSync(file, 'utf8')) as number[];
  return Array.from({ length: count ?? ids.length }, (_, i) => ids[i % ids.length]!);
}

/** Highest resident memory of this process, in bytes: not ru_maxrss, which a child inherits from its parent. */
export function peakBytes(): number {
  try {
    return 1024 * Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
  } catch {
    return Number.NaN;
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
}

export async function seconds(what: () => unknown): Promise<number> {
  const start = performance.now();
  await what();
  return (performance.now() - start) / 1000;
}

export const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;

/** A table whose first column is text and whose others are figures. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows
    .map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '))
    .join('\n');
}
