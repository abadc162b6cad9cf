import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

/** Files that every room may import. */
const common = ['error.ts', 'first-token.ts', 'random.ts'];

/** What each room may import; the arrows go one way. */
const arrows: Record<string, readonly string[]> = {
  tensor: [],
  runtime: ['tensor'],
  load: ['tensor', 'runtime'],
  layers: ['tensor'],
  attention: ['tensor', 'layers'],
  models: ['tensor', 'runtime', 'load', 'layers', 'attention'],
  measure: ['tensor', 'runtime', 'load', 'layers', 'attention', 'models'],
  cache: ['tensor', 'runtime', 'load', 'layers', 'attention', 'models'],
  train: ['tensor', 'runtime', 'load', 'layers', 'attention', 'models'],
  claims: ['tensor', 'runtime', 'load', 'layers', 'attention', 'models', 'measure', 'cache', 'train'],
  report: [],
  cli: [
    'tensor',
    'runtime',
    'load',
    'layers',
    'attention',
    'models',
    'measure',
    'cache',
    'train',
    'claims',
    'report',
    'index',
    'index-node',
  ],
  'index-node': [
    'tensor',
    'runtime',
    'load',
    'layers',
    'attention',
    'models',
    'measure',
    'cache',
    'train',
    'claims',
    'report',
    'index',
  ],
  index: ['tensor', 'runtime', 'load', 'layers', 'attention', 'models', 'measure', 'cache', 'train', 'report'],
};
/** Rooms of which only types may be imported. */
const typeArrows: Record<string, readonly string[]> = { report: ['load', 'models', 'measure'] };

/** Modules that a page imports. */
const pageEntries = [
  'index.ts',
  'tensor/index.ts',
  'runtime/web.ts',
  'load/index.ts',
  'attention/index.ts',
  'models/index.ts',
  'measure/index.ts',
  'cache/index.ts',
  'train/index.ts',
  'report/index.ts',
];
const nodeOnly = (file: string) => /-node\.ts$|^cli\/|^runtime\/node\.ts$/.test(file);
const nodePackages = ['onnxruntime-node', 'commander', 'sharp'];

const root = fileURLToPath(new URL('..', import.meta.url));
const src = join(root, 'src');
const sources = (readdirSync(src, { recursive: true }) as string[]).filter((file) => file.endsWith('.ts')).sort();

interface Import {
  readonly from: string;
  /** A path below src for relative imports, else the package. */
  readonly to: string;
  readonly typeOnly: boolean;
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(src, file), 'utf8');
  const statements = text.matchAll(/^(?:import|export)\s+(type\s)?[^;'"]*?from\s+['"]([^'"]+)['"]/gm);
  const effects = text.matchAll(/(?:^import\s+()|\bimport\(()\s*)['"]([^'"]+)['"]/gm);
  const found = [...statements].map(([, type, to]) => ({ to: to!, typeOnly: type !== undefined }));
  found.push(...[...effects].map(([, , , to]) => ({ to: to!, typeOnly: false })));
  return found.map(({ to, typeOnly }) => ({
    from: file,
    to: to.startsWith('.') ? relative(src, join(src, dirname(file), to)) : to,
    typeOnly,
  }));
}

const imports = new Map(sources.map((file) => [file, importsOf(file)]));
const inside = (file: string) => imports.has(file);
const roomOf = (file: string) => (file.includes('/') ? file.slice(0, file.indexOf('/')) : file.replace(/\.ts$/, ''));

function allowed({ from, to, typeOnly }: Import): boolean {
  const [a, b] = [roomOf(from), roomOf(to)];
  if (a === b || common.includes(to)) return true;
  if (typeOnly && typeArrows[a]?.includes(b)) return true;
  return arrows[a]?.includes(b) ?? false;
}

describe('the rooms', () => {
  it('every folder of src is a known room', () => {
    const rooms = new Set(sources.filter((file) => !common.includes(file)).map(roomOf));
    expect([...rooms].filter((room) => !(room in arrows))).toEqual([]);
  });

  it('every relative import names a file that exists', () => {
    const missing = [...imports.values()].flat().filter(({ to }) => to.endsWith('.ts') && !inside(to));
    expect(missing.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
  });

  it('imports go one way', () => {
    const wrong = [...imports.values()].flat().filter((one) => inside(one.to) && !allowed(one));
    expect(wrong.map(({ from, to, typeOnly }) => `${from} imports ${typeOnly ? 'types of ' : ''}${to}`)).toEqual([]);
  });

  it('files do not import each other in a circle, types apart', () => {
    const done = new Set<string>();
    const circles: string[] = [];
    const visit = (file: string, path: readonly string[]) => {
      if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '));
      if (done.has(file) || path.includes(file)) return;
      for (const { to, typeOnly } of imports.get(file) ?? []) if (!typeOnly && inside(to)) visit(to, [...path, file]);
      done.add(file);
    };
    for (const file of sources) visit(file, []);
    expect(circles).toEqual([]);
  });
});

describe('what a page can load', () => {
  it('only *-node.ts, cli/ and runtime/node.ts import Node or packages for Node', () => {
    const wrong = [...imports.values()]
      .flat()
      .filter(({ from, to }) => !nodeOnly(from) && (to.startsWith('node:') || nodePackages.includes(to)));
    expect(wrong.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
  });

  it.each(pageEntries.filter((entry) => existsSync(join(src, entry))))('%s reaches no file for Node only', (entry) => {
    const reached = new Map<string, string>([[entry, entry]]);
    for (const [file, path] of reached)
      for (const { to, typeOnly } of imports.get(file)!)
        if (!typeOnly && inside(to) && !reached.has(to)) reached.set(to, `${path} → ${to}`);
    expect([...reached].filter(([file]) => nodeOnly(file)).map(([, path]) => path)).toEqual([]);
  });
});

describe('files', () => {
  const folders = ['src', 'test', 'scripts', 'bench', 'examples'].filter((folder) => existsSync(join(root, folder)));
  const written = folders.flatMap((folder) =>
    (readdirSync(join(root, folder), { recursive: true }) as string[])
      .filter((file) => /\.(ts|mjs|py)$/.test(file))
      .map((file) => join(folder, file)),
  );
  const lines = (file: string) => readFileSync(join(root, file), 'utf8').split('\n').length - 1;

  it('have at most 400 lines each', () => {
    const long = written.filter((file) => lines(file) > 400);
    expect(long.map((file) => `${file}: ${lines(file)} lines`)).toEqual([]);
  });

  it('have under 200 lines in the median', () => {
    const lengths = written.map(lines).sort((a, b) => a - b);
    expect(lengths[lengths.length >> 1]).toBeLessThan(200);
  });
});
