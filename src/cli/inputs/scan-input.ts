import { InputError } from '../../error.ts';
import { named } from '../../models/feed.ts';
import type { Model } from '../../models/model.ts';
import { encoderDecoderInput } from './encoder-decoder.ts';
import { encoderInput } from './encoder-text.ts';
import { pictureInput } from './pictures.ts';
import type { Opened, PreparedInput, ScanInputOptions } from './prepared.ts';
import { soundInput } from './sound.ts';
import { textInput } from './text.ts';
import { textWithPictureInput } from './text-with-picture.ts';

/** What goes into a scan: by what the model reads. */
export async function prepareInput(
  model: Model,
  options: ScanInputOptions,
  opened: Opened,
  signal?: AbortSignal,
): Promise<PreparedInput> {
  const { stack } = model;
  const text = (['text', 'file', 'ids', 'chat', 'corpus', 'pair'] as const).filter(
    (name) => options[name] !== undefined,
  );
  const refuse = (names: readonly string[], instead: string) => {
    if (names.length > 0) throw new InputError(`--${names[0]}: ${named(stack)} reads ${instead}`);
  };
  if (stack.reads === 'pixels') {
    refuse([...text, ...(options.audio === undefined ? [] : ['audio'])], 'pictures: give them with --image');
    return pictureInput(model, stack, options, opened);
  }
  if (stack.reads === 'features') {
    refuse([...text, ...(options.image === undefined ? [] : ['image'])], 'sound: give it with --audio');
    return soundInput(stack, options, opened);
  }
  if (options.pair !== undefined && stack.causal !== false) refuse(['pair'], 'one text; pairs are for encoders');
  if (options.pair !== undefined && options.ids !== undefined)
    refuse(['pair'], 'pairs of texts: give the first with --text');
  const texts = text.filter((name) => name !== 'pair');
  if (texts.length > 1) throw new InputError(`--${texts.join(' and --')}: give one of them`);
  if (stack.memory) {
    return encoderDecoderInput(model, stack, options, opened, signal);
  }
  if (options.image !== undefined && stack.imageToken !== undefined) {
    const others = (['ids', 'chat', 'corpus', 'audio'] as const).filter((name) => options[name] !== undefined);
    refuse(others, 'a text with its picture: give it with --text or --file');
    return textWithPictureInput(model, stack, options, opened);
  }
  refuse(options.image === undefined ? [] : ['image'], 'text alone');
  refuse(options.audio === undefined ? [] : ['audio'], 'text alone');
  return stack.causal === false && options.ids === undefined
    ? encoderInput(stack, options, opened)
    : textInput(model, options, opened);
}
