import { InputError } from '../error.ts';
import { openFile } from '../load/bytes-node.ts';
import { pageIds, parseIds } from '../load/prompts.ts';
import { readText } from '../load/prompts-node.ts';
import { openSafetensorsFile } from '../load/safetensors-file.ts';
import type { Tokenizer } from '../load/tokenizer.ts';
import type { TokenBatch } from '../models/input.ts';
import type { Model } from '../models/model.ts';

export interface CaptureInputOptions {
  readonly text?: string;
  readonly file?: string;
  readonly ids?: string;
  readonly input?: string;
  readonly bos: 'auto' | 'add' | 'none';
  readonly tokens: number;
}

export interface CaptureInput {
  readonly batch: TokenBatch;
  /** Where the ids came from. */
  readonly source: string;
  readonly notes: readonly string[];
}

/** The ids of `--text`, `--file`, `--ids` or `--input`, exactly one of which is given. */
export async function captureInput(
  model: Model,
  options: CaptureInputOptions,
  tokenizer: () => Tokenizer,
): Promise<CaptureInput> {
  const given = (['text', 'file', 'ids', 'input'] as const).filter((name) => options[name] !== undefined);
  if (given.length !== 1)
    throw new InputError(
      `capture: expected one of --text, --file, --ids and --input, got ${given.length === 0 ? 'none' : given.map((name) => `--${name}`).join(' and ')}`,
    );
  if (options.input !== undefined) return { ...(await storedInput(options.input)), source: options.input };
  if (options.ids !== undefined) {
    const ids = parseIds(options.ids, model.decoder.sizes.V);
    return { batch: { ids: [ids] }, source: '--ids', notes: [] };
  }
  const text = options.text ?? (await readText(options.file!));
  const { tokens, bos } = options;
  const { ids, bosAdded, cut } = pageIds(text, tokenizer(), { tokens, bos });
  const notes = [
    `${ids.length} tokens, ${bosAdded ? 'BOS added' : 'no BOS added'}; first ids ${ids.slice(0, 8).join(', ')}`,
  ];
  if (cut) notes.push(`the text is longer than ${tokens} tokens; the first ${tokens} are run (--tokens)`);
  return { batch: { ids: [ids] }, source: options.file ?? '--text', notes };
}

/** `input.input_ids` [B, T] and, where there is one, `input.attention_mask` [B, T] of a safetensors file. */
async function storedInput(path: string): Promise<{ batch: TokenBatch; notes: readonly string[] }> {
  const file = await openSafetensorsFile(await openFile(path));
  try {
    const rows = async (name: string) => {
      const shape = file.tensors.get(name)?.shape;
      if (shape?.length !== 2)
        throw new InputError(
          `--input ${path}: expected ${name} of shape [B, T], ${shape ? `got [${shape}]` : 'it is missing'}`,
        );
      const flat = Array.from(await file.read(name));
      return Array.from({ length: shape[0]! }, (_, b) => flat.slice(b * shape[1]!, (b + 1) * shape[1]!));
    };
    const ids = await rows('input.input_ids');
    const mask = file.tensors.has('input.attention_mask') ? await rows('input.attention_mask') : undefined;
    return { batch: { ids, ...(mask ? { attentionMask: mask } : {}) }, notes: [] };
  } finally {
    await file.close();
  }
}
