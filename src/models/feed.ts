import { type Places, wholeText } from '../attention/places.ts';
import { InputError } from '../error.ts';
import type { HostTensor } from '../runtime/backend.ts';
import { gather, input, iota, rename, select, size, type Tensor } from '../tensor/index.ts';
import type { Memory } from './block.ts';
import type { Embedded } from './forward.ts';
import { type Batch, batchFeeds, batchInputs, type PixelBatch, rectangle, type TokenBatch } from './input.ts';
import { type FeatureStack, type PixelStack, readsTokens, type Stack, type TokenStack } from './stack.ts';

/** Which graph inputs a batch has: equal forms share a program. */
export interface Form {
  readonly padded?: boolean;
  readonly types?: boolean;
  readonly given?: boolean;
  /** Width of the memory, and whether part of it is padding. */
  readonly memory?: { readonly M: number; readonly padded: boolean };
  /** Sides of the pictures, in pixels. */
  readonly pixels?: { readonly Y: number; readonly X: number };
  /** Frames of the spectrograms. */
  readonly frames?: number;
}

/** A batch that was checked, as a program is fed with it. */
export interface Fed {
  readonly B: number;
  /** Positions of the stream. */
  readonly T: number;
  /** Positions of the memory, where there is one. */
  readonly S?: number;
  /** 1 for real positions [B, T]; absent when nothing is padding. */
  readonly real?: Uint8Array;
  readonly form: Form;
  readonly feeds: Readonly<Record<string, HostTensor>>;
}

/** Checks a batch against a stack. Throws an InputError that names what does not fit. */
export function feed(stack: Stack, batch: Batch): Fed {
  const came = 'ids' in batch ? 'tokens' : 'pixels' in batch ? 'pictures' : 'a spectrogram';
  const fail = (reads: string): never => {
    throw new InputError(`${named(stack)} reads ${reads}, got ${came}`);
  };
  if (readsTokens(stack)) return 'ids' in batch ? feedTokens(stack, batch) : fail('tokens');
  if (stack.reads === 'pixels') return 'pixels' in batch ? feedPixels(stack, batch) : fail('pictures');
  return 'features' in batch ? feedFeatures(stack, batch) : fail('a spectrogram');
}

/** A stack's name for messages: `whisper decoder`. */
export const named = ({ family, part }: Stack) => (part === undefined ? family : `${family} ${part}`);

const checkCount = (name: string, values: ArrayLike<number>, shape: readonly number[]) => {
  const wanted = shape.reduce((a, b) => a * b, 1);
  if (values.length !== wanted || shape.some((one) => !Number.isInteger(one) || one < 1))
    throw new InputError(`${name}: expected ${wanted} values for shape [${shape}], got ${values.length}`);
};

function feedTokens(stack: TokenStack, batch: TokenBatch): Fed {
  const { types, memory, given } = batch;
  const fed = rectangle(batch, stack.sizes);
  const { B, T, real } = fed;
  const feeds = batchFeeds(fed);
  /** Rows of a batch as one array, aligned like the ids. */
  const aligned = (name: string, rows: readonly (readonly number[])[], beside: number) => {
    const flat = new BigInt64Array(B * T).fill(BigInt(beside));
    if (rows.length !== B) throw new InputError(`${name}: expected ${B} rows, got ${rows.length}`);
    batch.ids.forEach((ids, b) => {
      const row = rows[b]!;
      if (row.length !== ids.length)
        throw new InputError(`${name}: text ${b} has ${ids.length} tokens and ${row.length} ${name}`);
      const start = batch.padding === 'left' ? T - ids.length : 0;
      row.forEach((value, t) => {
        flat[b * T + start + t] = BigInt(value);
      });
    });
    return flat;
  };
  if (types) {
    if (stack.types === undefined) throw new InputError(`types: ${named(stack)} knows no token types`);
    const most = stack.types - 1;
    const wrong = types.flat().find((type) => !Number.isInteger(type) || type < 0 || type > most);
    if (wrong !== undefined) throw new InputError(`types: expected whole numbers from 0 to ${most}, got ${wrong}`);
    feeds.types = { type: 'int64', shape: [B, T], data: aligned('types', types, 0) };
  }
  if (given) {
    const [N, M] = given.shape;
    if (M !== stack.sizes.M) throw new InputError(`given: expected embeddings of width ${stack.sizes.M}, got ${M}`);
    checkCount('given', given.values, given.shape);
    const wrong = given.rows.flat().find((row) => !Number.isInteger(row) || row < -1 || row >= N);
    if (wrong !== undefined) throw new InputError(`given: expected rows from -1 to ${N - 1}, got ${wrong}`);
    const rows = aligned('given', given.rows, -1);
    feeds.given = { type: 'float32', shape: [N, M], data: given.values };
    feeds.given_row = { type: 'int64', shape: [B, T], data: rows.map((row) => (row < 0n ? 0n : row)) };
    feeds.is_given = { type: 'bool', shape: [B, T], data: Uint8Array.from(rows, (row) => (row < 0n ? 0 : 1)) };
  }
  if ((memory === undefined) !== (stack.memory === undefined))
    throw new InputError(
      memory
        ? `memory: ${named(stack)} looks at none`
        : `${named(stack)} looks at what an encoder gave: give it as memory`,
    );
  if (memory) {
    const wanted = stack.memory!.M;
    if (memory.shape[0] !== B || memory.shape[2] !== wanted)
      throw new InputError(`memory: expected shape [${B}, S, ${wanted}], got [${memory.shape}]`);
    checkCount('memory', memory.values, memory.shape);
    feeds.memory = { type: 'float32', shape: memory.shape, data: memory.values };
    if (memory.real) {
      checkCount('memory.real', memory.real, memory.shape.slice(0, 2));
      const S = memory.shape[1];
      const nothing = batch.ids.findIndex((_, b) => !memory.real?.subarray(b * S, (b + 1) * S).includes(1));
      if (nothing >= 0) throw new InputError(`memory.real: text ${nothing} has no real position to look at`);
      feeds.memory_real = { type: 'bool', shape: memory.shape.slice(0, 2), data: memory.real };
    }
  }
  return {
    ...{ B, T, feeds },
    ...(memory ? { S: memory.shape[1] } : {}),
    ...(real ? { real } : {}),
    form: {
      ...(real ? { padded: true } : {}),
      ...(types ? { types: true } : {}),
      ...(given ? { given: true } : {}),
      ...(memory ? { memory: { M: memory.shape[2], padded: memory.real !== undefined } } : {}),
    },
  };
}

function feedPixels(stack: PixelStack, { pixels, shape }: PixelBatch): Fed {
  const { C, patch, height, width, anySize } = stack.pixels;
  const [B, colours, Y, X] = shape;
  const trained = Y === height && X === width;
  const fits = trained || (anySize && Y % patch === 0 && X % patch === 0);
  if (colours !== C || !fits)
    throw new InputError(
      `pixels: ${named(stack)} reads [B, ${C}, ${anySize ? `multiples of ${patch}` : `${height}, ${width}`}], got [${shape}]`,
    );
  checkCount('pixels', pixels, shape);
  const { rows, columns } = gridOf(stack, { Y, X }).grid;
  const T = stack.leading.length + rows * columns;
  return { B, T, form: { pixels: { Y, X } }, feeds: { pixels: { type: 'float32', shape, data: pixels } } };
}

function feedFeatures(stack: FeatureStack, batch: Extract<Batch, { readonly features: Float32Array }>): Fed {
  const { C, frames, stride } = stack.features;
  const { features, shape } = batch;
  const [B, bins, N] = shape;
  if (bins !== C || N !== frames)
    throw new InputError(`features: ${named(stack)} reads [B, ${C}, ${frames}], got [${shape}]`);
  checkCount('features', features, shape);
  return { B, T: N / stride, form: { frames: N }, feeds: { features: { type: 'float32', shape, data: features } } };
}

/** A batch of one that the stack would take, with nothing optional: what traces are made with. */
export function plainForm(stack: Stack): Form {
  if (stack.reads === 'pixels') return { pixels: { Y: stack.pixels.height, X: stack.pixels.width } };
  if (stack.reads === 'features') return { frames: stack.features.frames };
  return stack.memory ? { memory: { M: stack.memory.M, padded: false } } : {};
}

/** Whole patches of pictures of these sides. */
const gridOf = ({ pixels: { patch } }: PixelStack, { Y, X }: { readonly Y: number; readonly X: number }) => ({
  grid: { rows: Math.floor(Y / patch), columns: Math.floor(X / patch) },
});

/** The grid of a form, for places that are made elsewhere. */
export const gridOfForm = (stack: Stack, { pixels }: Form): Pick<Places, 'grid'> =>
  stack.reads === 'pixels' && pixels ? gridOf(stack, pixels) : {};

/** The memory of a form. */
export function memoryOf({ memory }: Form): Memory | undefined {
  if (!memory) return undefined;
  const x = input('memory', { B: 'B', S: 'N', M: memory.M });
  return memory.padded ? { x, real: input('memory_real', { B: 'B', S: 'N' }, 'bool') } : { x };
}

/** Graph inputs of a form, the stream that the stack makes of them, and where its positions stand. */
export function embedded(stack: Stack, form: Form): Embedded {
  if (stack.reads === 'pixels') {
    const { Y, X } = form.pixels!;
    const x = stack.embed(input('pixels', { B: 'B', C: stack.pixels.C, Y, X }));
    return { x, places: { ...wholeText(size(x, 'T')), ...gridOf(stack, { Y, X }) } };
  }
  if (stack.reads === 'features') {
    const x = stack.embed(input('features', { B: 'B', C: stack.features.C, N: form.frames! }));
    return { x, places: wholeText(size(x, 'T')) };
  }
  const { ids, places } = batchInputs(form.padded ?? false);
  const types = form.types ? input('types', { B: 'B', T: 'T' }, 'int64') : undefined;
  const own = stack.embed(ids, places.queryPositions, types);
  if (!form.given) return { x: own, places, ids, memory: memoryOf(form) };
  const rows = gather(
    input('given', { N: 'N', M: stack.sizes.M }),
    input('given_row', { B: 'B', T: 'T' }, 'int64'),
    'N',
  );
  return { x: select(input('is_given', { B: 'B', T: 'T' }, 'bool'), rows, own), places, ids, memory: memoryOf(form) };
}

/** Where the positions of a stream stand that is fed: the same as `embedded` has for its form. */
export function streamPositions(padded: boolean): Tensor<'T'> | Tensor<'B' | 'T'> {
  return padded ? input('positions', { B: 'B', T: 'T' }, 'int64') : iota('T', 'T');
}

/** The same along keys. */
export const alongKeys = (positions: Tensor<'T'> | Tensor<'B' | 'T'>) => rename(positions as Tensor<'T'>, 'T', 'S');
