import { InputError, LoadError } from '../error.ts';

/** Which of a model's files are read. Never a pickle, never Python. */
export interface Selection {
  readonly kind: 'folder' | 'gguf';
  /** Files beside the weights. */
  readonly small: readonly string[];
  /** Weight files; for an indexed checkpoint empty, the index names them. */
  readonly weights: readonly string[];
  readonly index?: string;
}

/** One GGUF file of a model that has several: by name, or by quantisation such as `Q4_1`. */
export interface Wanted {
  readonly file?: string;
  readonly quantisation?: string;
}

const SMALL = [
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'chat_template.jinja',
  // How pictures and sound are prepared.
  'preprocessor_config.json',
  'processor_config.json',
];
const INDEX = 'model.safetensors.index.json';
const PICKLE = /\.(bin|pt|pth|ckpt|pkl|pickle)$/;

/**
 * Chooses among the names in a model's own folder.
 * @throws LoadError when there is nothing to read, or only pickles; InputError when a choice must be made.
 */
export function selectFiles(names: readonly string[], model: string, wanted: Wanted = {}): Selection {
  for (const name of names) checkFileName(name, model);
  const small = SMALL.filter((name) => names.includes(name));
  const ggufs = names.filter((name) => name.toLowerCase().endsWith('.gguf'));
  if (wanted.file !== undefined || wanted.quantisation !== undefined)
    return { kind: 'gguf', small: [], weights: [chooseGguf(ggufs, model, wanted)] };

  const safetensors = names.filter((name) => name.endsWith('.safetensors'));
  if (names.includes('config.json') && (safetensors.length > 0 || names.includes(INDEX))) {
    if (names.includes(INDEX)) return { kind: 'folder', small, weights: [], index: INDEX };
    const only = safetensors.includes('model.safetensors')
      ? 'model.safetensors'
      : safetensors.length === 1
        ? safetensors[0]
        : undefined;
    if (only !== undefined) return { kind: 'folder', small, weights: [only] };
    throw new LoadError(
      `${model}: several weight files (${listed(safetensors)}) and no ${INDEX}; name a model with one of the two`,
    );
  }
  if (ggufs.length > 0) return { kind: 'gguf', small: [], weights: [chooseGguf(ggufs, model, wanted)] };
  const pickle = names.find((name) => PICKLE.test(name));
  if (pickle !== undefined) {
    throw new LoadError(
      `${model}: only pickled weights (${pickle}), which can run code and are never read; use a revision or a copy with .safetensors (hub: refs/convert/…, or save_pretrained in Python)`,
    );
  }
  throw new LoadError(`${model}: no config.json with .safetensors weights, and no .gguf file`);
}

function chooseGguf(ggufs: readonly string[], model: string, { file, quantisation }: Wanted): string {
  const letters = (text: string) => text.toLowerCase();
  const part = new RegExp(`(^|[.-])${letters(quantisation ?? '').replace(/[^\w]/g, '')}(?=[.-])`);
  const found = ggufs.filter(
    (name) => (file === undefined || name === file) && (quantisation === undefined || part.test(letters(name))),
  );
  const [only] = found;
  if (only === undefined || found.length > 1) {
    const what = file ?? quantisation;
    const choices = listed(found.length > 1 ? found : ggufs);
    throw new InputError(
      `${model}: ${found.length > 1 ? 'several GGUF files' : `no GGUF file ${what}`}${choices === '' ? '' : ` (${choices})`}; name one as ${model}/FILE.gguf`,
    );
  }
  if (/-\d{5}-of-\d{5}\.gguf$/.test(only))
    throw new LoadError(`${model}: ${only} is one part of several, which is not read; join the parts first`);
  return only;
}

/**
 * Shard names of a parsed index.
 * @throws LoadError when it is malformed or names anything but .safetensors files beside it.
 */
export function shardNames(index: unknown, model: string): string[] {
  const map: unknown =
    typeof index === 'object' && index !== null ? (index as { weight_map?: unknown }).weight_map : undefined;
  if (typeof map !== 'object' || map === null || Array.isArray(map))
    throw new LoadError(`${model}: ${INDEX} has no "weight_map"`);
  const names = [...new Set<unknown>(Object.values(map))];
  if (names.length === 0 || names.length > 10_000)
    throw new LoadError(`${model}: ${INDEX} names ${names.length} weight files`);
  return names.map((name) => {
    if (typeof name !== 'string' || !name.endsWith('.safetensors'))
      throw new LoadError(`${model}: ${INDEX} names a weight file that is no .safetensors`);
    checkFileName(name, model);
    return name;
  });
}

/** @throws LoadError for anything but a plain file name, on any system. */
export function checkFileName(name: string, model: string): void {
  const leadsOn = name === '' || name === '.' || name === '..' || /[/\\\0]|^[a-z]:/i.test(name);
  if (!leadsOn && name.length <= 255) return;
  throw new LoadError(
    `${model}: the file name ${JSON.stringify(name.slice(0, 80))} is refused, it could lead out of the model's folder`,
  );
}

function listed(names: readonly string[]): string {
  return names.length > 8 ? `${names.slice(0, 8).join(', ')}, …` : names.join(', ');
}
