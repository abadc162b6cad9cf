import { InputError } from '../../error.ts';
import { describeTokens } from '../../load/token-roles.ts';
import { withBos } from '../../load/tokenizer.ts';
import { picturePreview } from '../../measure/picture-preview.ts';
import type { Model } from '../../models/model.ts';
import { run } from '../../models/run.ts';
import type { TokenStack } from '../../models/stack.ts';
import { openPictures, positionsOf } from './pictures.ts';
import { givenText, type Opened, type PreparedInput, type ScanInputOptions } from './prepared.ts';

/** The place of a picture in a prompt. */
const mark = '<image>';

/**
 * A text with a picture: its patches stand where the text says `<image>`, or before the text where it does not. What the vision stack makes of
 * them is given in place of embeddings.
 */
export async function textWithPictureInput(
  model: Model,
  stack: TokenStack,
  options: ScanInputOptions,
  opened: Opened,
): Promise<PreparedInput> {
  const vision = model.parts.get('vision');
  const [path, ...more] = options.image ?? [];
  if (vision?.stack.reads !== 'pixels' || path === undefined)
    throw new InputError(`${stack.family}: the checkpoint has no vision stack to read --image`);
  if (more.length > 0) throw new InputError(`--image ${more[0]}: one picture goes into a text`);
  const tokenizer = opened.tokenizer();
  const { batches, seen, notes } = await openPictures(vision, vision.stack, [path], opened.resolved);
  const { outputs } = await run(vision, batches[0]!);
  const patches = outputs.get('image_hidden_states')!;
  const count = patches.shape[0]!;
  const asked =
    options.text === undefined && options.file === undefined
      ? 'What is in the picture?'
      : (await givenText(options)).text;
  const parts = (asked.includes(mark) ? asked : `USER: ${mark}\n${asked} ASSISTANT:`).split(mark);
  if (parts.length !== 2)
    throw new InputError(`--text: expected ${mark} once, where the picture stands, got it ${parts.length - 1} times`);
  const { ids: before, bosAdded } = withBos(tokenizer, tokenizer.encode(parts[0]!), options.bos);
  const after = tokenizer.encode(parts[1]!, { specialTokens: false });
  const ids = [...before, ...Array<number>(count).fill(stack.imageToken!), ...after];
  if (ids.length > options.tokens)
    throw new InputError(
      `--tokens ${options.tokens}: text and picture are ${ids.length} positions; ask for at least as many`,
    );
  const grid = positionsOf(vision.stack, batches[0]!).filter(({ role }) => role === 'patch');
  const described = describeTokens(ids, tokenizer);
  const tokens = described.map((token, t) => {
    const patch = t >= before.length && t < before.length + count ? grid[t - before.length] : undefined;
    return patch ? { ...patch, position: t, id: token.id } : token;
  });
  const rows = ids.map((_, t) => (t >= before.length && t < before.length + count ? t - before.length : -1));
  return {
    page: {
      ids: [ids],
      given: { values: patches.data as Float32Array, shape: patches.shape as [number, number], rows: [rows] },
    },
    tokens,
    fixed: ids[0] === tokenizer.bosId ? 1 : 0,
    told: {
      picture: picturePreview(seen[0]!),
      bos: options.bos,
      bosAdded,
      firstIds: ids.slice(0, 8),
      source: path,
      page: tokens,
    },
    notes: [...notes],
  };
}
