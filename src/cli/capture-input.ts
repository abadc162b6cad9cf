import { InputError } from '../error.ts';
import { openFile } from '../load/bytes-node.ts';
import { pageIds, parseIds } from '../load/prompts.ts';
import { readText } from '../load/prompts-node.ts';
import { openSafetensorsFile, type SafetensorsFile } from '../load/safetensors-file.ts';
import type { Batch, PixelBatch, TokenBatch } from '../models/input.ts';
import type { Model } from '../models/model.ts';
import { run } from '../models/run.ts';
import { readsTokens } from '../models/stack.ts';
import { inOrder, type Made, readReferenceBatch } from '../models/verify-batch.ts';
import type { Opened } from './inputs/prepared.ts';
import { prepareInput } from './inputs/scan-input.ts';

export interface CaptureInputOptions {
  readonly text?: string;
  readonly file?: string;
  readonly ids?: string;
  readonly input?: string;
  readonly image?: readonly string[];
  readonly audio?: string;
  readonly bos: 'auto' | 'add' | 'none';
  readonly tokens: number;
}

export interface CaptureInput {
  readonly batch: Batch;
  /** Where it came from. */
  readonly source: string;
  readonly notes: readonly string[];
}

/** What goes in by `--text`, `--file`, `--ids`, `--image`, `--audio` or `--input`, exactly one of which is given; a text may go with a picture. */
export async function captureInput(
  model: Model,
  options: CaptureInputOptions,
  opened: Opened,
  signal?: AbortSignal,
): Promise<CaptureInput> {
  const given = (['text', 'file', 'ids', 'image', 'audio', 'input'] as const).filter(
    (name) => options[name] !== undefined,
  );
  const pictureInText = options.image && given.length === 2 && (options.text ?? options.file) !== undefined;
  if (given.length !== 1 && !pictureInText)
    throw new InputError(
      `capture: expected one of --text, --file, --ids, --image, --audio and --input, got ${given.length === 0 ? 'none' : given.map((name) => `--${name}`).join(' and ')}`,
    );
  if (options.input !== undefined)
    return { batch: await storedInput(model, options.input), source: options.input, notes: [] };
  const { stack } = model;
  const ordinary = readsTokens(stack) && stack.causal !== false && !stack.memory && !options.image && !options.audio;
  if (!ordinary) return preparedInput(model, options, opened, signal);
  if (options.ids !== undefined) {
    const ids = parseIds(options.ids, stack.sizes.V);
    return { batch: { ids: [ids] }, source: '--ids', notes: [] };
  }
  const text = options.text ?? (await readText(options.file!));
  const { tokens, bos } = options;
  const { ids, bosAdded, cut } = pageIds(text, opened.tokenizer(), { tokens, bos });
  const notes = [
    `${ids.length} tokens, ${bosAdded ? 'BOS added' : 'no BOS added'}; first ids ${ids.slice(0, 8).join(', ')}`,
  ];
  if (cut) notes.push(`the text is longer than ${tokens} tokens; the first ${tokens} are run (--tokens)`);
  return { batch: { ids: [ids] }, source: options.file ?? '--text', notes };
}

/** What a scan would look at: a text between the special tokens of an encoder, a picture, a sound, what a decoder writes of one. */
async function preparedInput(
  model: Model,
  { input: _, ...options }: CaptureInputOptions,
  opened: Opened,
  signal: AbortSignal | undefined,
): Promise<CaptureInput> {
  // One text: nothing of the protocol is read.
  const { page, texts, told, notes } = await prepareInput(
    model,
    { ...options, texts: 1, textTokens: 64 },
    opened,
    signal,
  );
  const pictures = texts?.filter((one) => 'pixels' in one);
  if (pictures && pictures.length > 1) return { batch: joined(pictures), source: options.image!.join(', '), notes };
  return { batch: 'length' in page ? { ids: [page] } : page, source: told.source, notes };
}

/** Pictures of one shape as one batch. */
function joined(pictures: readonly PixelBatch[]): PixelBatch {
  const [, C, Y, X] = pictures[0]!.shape;
  const each = C * Y * X;
  const pixels = new Float32Array(pictures.length * each);
  pictures.forEach((picture, b) => {
    pixels.set(picture.pixels, b * each);
  });
  return { pixels, shape: [pictures.length, C, Y, X] };
}

const known =
  /^input\.(input_ids|attention_mask|token_type_ids|decoder_input_ids|decoder_attention_mask|pixel_values|input_features|memory|memory_mask|image_hidden_states)$/;

/**
 * A batch from `input.*` of a safetensors file: `input_ids` [B, T], `attention_mask` and `token_type_ids` alike; `pixel_values` [B, C, Y, X];
 * `input_features` [B, C, N]; of decoders that look at an encoder `decoder_input_ids` [B, T] and the encoder's input, which is then run, or
 * `memory` [B, S, M] itself with `memory_mask`; of texts with pictures `pixel_values`, or `image_hidden_states` [N, M].
 */
async function storedInput(model: Model, path: string): Promise<Batch> {
  const file = await openSafetensorsFile(await openFile(path));
  try {
    for (const name of file.tensors.keys())
      if (name.startsWith('input.') && !known.test(name))
        throw new InputError(`--input ${path}: ${name.slice(0, 80)} is not known; leave it out`);
    const made = await storedMade(file);
    const types = await storedRows(file, 'token_type_ids');
    let mask = await storedRows(file, 'memory_mask');
    for (const one of inOrder(model)) {
      const { part = '' } = one.stack;
      if (made.has(part) || !feeds(one, model)) continue;
      const batch = withTypes(await readReferenceBatch(file, one, 'input.', made), types, one);
      if ('ids' in batch) mask = batch.attentionMask?.map((row) => [...row]);
      const { captured, outputs } = await run(one, batch, { capture: ['ln_final.hook_out'] });
      made.set(part, { stream: captured.get('ln_final.hook_out')!, outputs });
    }
    return withMask(withTypes(await readReferenceBatch(file, model, 'input.', made), types, model), mask);
  } finally {
    await file.close();
  }
}

/** Whether a stack makes what another reads. */
const feeds = ({ stack: { part } }: Model, { stack }: Model): boolean =>
  readsTokens(stack) &&
  ((part === 'encoder' && stack.memory !== undefined) || (part === 'vision' && stack.imageToken !== undefined));

/** What the other stacks made, where the file holds it. */
async function storedMade(file: SafetensorsFile): Promise<Map<string, Made>> {
  const made = new Map<string, Made>();
  const stored = async (name: string) => {
    const found = file.tensors.get(`input.${name}`);
    return found && { type: 'float32' as const, shape: found.shape, data: await file.read(`input.${name}`) };
  };
  const memory = await stored('memory');
  if (memory) made.set('encoder', { stream: memory, outputs: new Map() });
  const patches = await stored('image_hidden_states');
  if (patches) made.set('vision', { stream: patches, outputs: new Map([['image_hidden_states', patches]]) });
  return made;
}

/** Rows of `input.NAME` [B, T]; undefined where the file has none. */
async function storedRows(file: SafetensorsFile, name: string): Promise<number[][] | undefined> {
  const shape = file.tensors.get(`input.${name}`)?.shape;
  if (shape === undefined) return undefined;
  if (shape.length !== 2)
    throw new InputError(`--input ${file.name}: expected input.${name} of shape [B, T], got [${shape}]`);
  const flat = Array.from(await file.read(`input.${name}`));
  return Array.from({ length: shape[0]! }, (_, b) => flat.slice(b * shape[1]!, (b + 1) * shape[1]!));
}

/** Token types are of the ids of an encoder, not of a decoder's. */
function withTypes(batch: Batch, types: number[][] | undefined, { stack }: Model): Batch {
  if (!types || !('ids' in batch) || stack.part === 'decoder') return batch;
  return { ...batch, types };
}

/** Padding of the encoder's text is no memory. */
function withMask(batch: Batch, mask: TokenBatch['attentionMask']): Batch {
  if (!('ids' in batch) || !batch.memory || !mask?.flat().includes(0)) return batch;
  return { ...batch, memory: { ...batch.memory, real: Uint8Array.from(mask.flat()) } };
}
