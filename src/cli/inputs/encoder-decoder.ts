import { InputError } from '../../error.ts';
import { describeTokens } from '../../load/token-roles.ts';
import { spectrogramPreview } from '../../measure/spectrogram-preview.ts';
import { encode } from '../../models/encode.ts';
import { named } from '../../models/feed.ts';
import { greedyText } from '../../models/greedy.ts';
import type { Model } from '../../models/model.ts';
import type { TokenStack } from '../../models/stack.ts';
import { transcribe } from '../../models/transcribe.ts';
import { framed, frameOf } from './encoder-text.ts';
import { givenText, type Opened, type PreparedInput, type ScanInputOptions } from './prepared.ts';
import { openSound, positionsOfSound } from './sound.ts';

/** What a decoder is scanned with: the text it gives for a sound (`--audio`) or a text (`--text`), and what the encoder made of that. */
export async function encoderDecoderInput(
  model: Model,
  stack: TokenStack,
  options: ScanInputOptions,
  opened: Opened,
  signal: AbortSignal | undefined,
): Promise<PreparedInput> {
  const encoder = model.parts.get('encoder');
  if (!encoder) throw new InputError(`${named(stack)}: the checkpoint has no encoder to read the input`);
  return encoder.stack.reads === 'features'
    ? speech(model, encoder, options, opened, signal)
    : translation(model, encoder, stack, options, opened, signal);
}

async function speech(
  model: Model,
  encoder: Model,
  options: ScanInputOptions,
  opened: Opened,
  signal: AbortSignal | undefined,
): Promise<PreparedInput> {
  const { stack } = encoder;
  const { audio, bos } = options;
  if (audio === undefined || stack.reads !== 'features')
    throw new InputError(`${model.stack.family} reads sound: give it with --audio FILE`);
  const refused = (['text', 'file', 'ids', 'chat', 'corpus', 'image'] as const).find(
    (name) => options[name] !== undefined,
  );
  if (refused) throw new InputError(`--${refused}: the text is what the model hears; leave it out with --audio`);
  const tokenizer = opened.tokenizer();
  const { batch, mel, notes } = await openSound(stack, audio, opened.resolved);
  const { ids, prompt, text: said, memory, ended, language } = await transcribe(model, batch, { tokenizer, signal });
  const tokens = describeTokens(ids, tokenizer, { templateSpans: [[0, prompt]] });
  return {
    page: { ids: [[...ids]], memory },
    tokens,
    fixed: prompt,
    told: {
      ...{ bos, bosAdded: false, firstIds: ids.slice(0, 8), source: audio, page: tokens },
      spectrogram: spectrogramPreview(mel),
    },
    keys: positionsOfSound(stack, mel),
    notes: [
      ...notes,
      `Heard${language === undefined ? '' : ` (${language})`}: ${said === '' ? 'nothing' : said}`,
      ...(ended ? [] : ['The text was cut: the model did not end it.']),
    ],
  };
}

async function translation(
  model: Model,
  encoder: Model,
  stack: TokenStack,
  options: ScanInputOptions,
  opened: Opened,
  signal: AbortSignal | undefined,
): Promise<PreparedInput> {
  const refused = (['audio', 'image', 'chat', 'ids', 'corpus', 'pair'] as const).find(
    (name) => options[name] !== undefined,
  );
  if (refused)
    throw new InputError(`--${refused}: ${named(stack)} reads what an encoder made of a text; give one with --text`);
  const tokenizer = opened.tokenizer();
  const { source, text } = await givenText(options);
  const frame = frameOf(tokenizer, false);
  const room = Math.min(options.tokens, encoder.stack.sizes.maxPositions) - frame.before.length - frame.after.length;
  const plain = tokenizer.encode(text.slice(0, room * 16), { specialTokens: false });
  const { ids: read } = framed(frame, plain.slice(0, room));
  const memory = await encode(encoder, { ids: [read] });
  const { decoder_start_token_id: start, eos_token_id: end } = model.checkpoint.config;
  if (typeof start !== 'number' || typeof end !== 'number')
    throw new InputError(`${named(stack)}: config.json names no decoder_start_token_id and eos_token_id to write with`);
  const { ids, ended } = await greedyText(model, memory, {
    ...{ start: [start], stop: [end], longest: Math.min(64, stack.sizes.maxPositions), signal },
  });
  const tokens = describeTokens(ids, tokenizer);
  return {
    page: { ids: [[...ids]], memory },
    tokens,
    fixed: 1,
    told: { bos: options.bos, bosAdded: false, firstIds: ids.slice(0, 8), source, page: tokens },
    keys: describeTokens(read, tokenizer),
    notes: [
      ...(plain.length > room
        ? [`The text is longer than ${room} tokens; the first ${room} were read (--tokens).`]
        : []),
      `Written: ${tokenizer.decode(ids.slice(1))}${ended ? '' : ' …'}`,
    ],
  };
}
