import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { LoadError } from '../error.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';

const MAXIMUM_BYTES = 100_000_000;

/**
 * The tokenizer of a checkpoint folder: `tokenizer.json`, with `tokenizer_config.json`, `special_tokens_map.json` and
 * `chat_template.jinja` where there are such files.
 * @throws LoadError when `tokenizer.json` is missing or a file is malformed.
 */
export async function loadTokenizer(folder: string): Promise<Tokenizer> {
  const name = join(folder, 'tokenizer.json');
  const text = await readBounded(name);
  if (text === undefined) {
    const sentencePiece = (await readBounded(join(folder, 'tokenizer.model'), 0)) !== undefined;
    throw new LoadError(
      `${name}: no such file; ${
        sentencePiece
          ? 'tokenizer.model alone is not read, save the tokenizer with transformers (AutoTokenizer.from_pretrained(…).save_pretrained(…))'
          : 'give token ids with --ids, or copy tokenizer.json into the folder'
      }`,
    );
  }
  const [config, map, template] = await Promise.all(
    ['tokenizer_config.json', 'special_tokens_map.json', 'chat_template.jinja'].map((file) =>
      readBounded(join(folder, file)),
    ),
  );
  return createTokenizer({
    name,
    tokenizer: parse(text, name),
    ...(config !== undefined && { config: parse(config, join(folder, 'tokenizer_config.json')) }),
    ...(map !== undefined && { specialTokensMap: parse(map, join(folder, 'special_tokens_map.json')) }),
    ...(template !== undefined && { chatTemplate: template }),
  });
}

/** Undefined when there is no such file. With a limit of 0 only its presence counts. */
async function readBounded(path: string, limit = MAXIMUM_BYTES): Promise<string | undefined> {
  try {
    const { size } = await stat(path);
    if (limit === 0) return '';
    if (size > limit)
      throw new LoadError(`${path}: ${size} bytes, at most ${limit} are read; use another copy of the model`);
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof LoadError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new LoadError(`${path}: cannot be read (${code ?? String(error)})`);
  }
}

function parse(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new LoadError(
      `${name}: not JSON (${(error as Error).message.slice(0, 100)}); the download may be incomplete`,
    );
  }
}
