import { InputError } from '../../error.ts';
import { openAudioProcessor } from '../../load/audio/audio-processor.ts';
import { type LogMel, logMel } from '../../load/audio/log-mel.ts';
import { openAudio } from '../../load/audio/open-audio-node.ts';
import type { ResolvedModel } from '../../load/resolve-model-node.ts';
import { describeFrames, type TokenInfo } from '../../load/token-roles.ts';
import { spectrogramPreview } from '../../measure/spectrogram-preview.ts';
import { named } from '../../models/feed.ts';
import type { FeatureBatch } from '../../models/input.ts';
import type { FeatureStack } from '../../models/stack.ts';
import { folderOf } from './pictures.ts';
import { type Opened, type PreparedInput, type ScanInputOptions, withoutIds } from './prepared.ts';

/** Speech as a model reads it. */
export interface Sound {
  readonly batch: FeatureBatch;
  readonly mel: LogMel;
  readonly notes: readonly string[];
}

/** Decodes a sound file and makes the spectrogram that a stack reads. Throws an InputError or LoadError by file name. */
export async function openSound(stack: FeatureStack, path: string, resolved: ResolvedModel): Promise<Sound> {
  const { C, frames } = stack.features;
  const { processor, note } = await openAudioProcessor(await folderOf(resolved), C);
  const mel = logMel(await openAudio(path), processor);
  if (mel.bins !== C || mel.frames !== frames)
    throw new InputError(
      `--audio ${path}: preprocessor_config.json makes ${mel.bins} × ${mel.frames} features, the model reads ${C} × ${frames}`,
    );
  const seconds = (value: number) => value.toFixed(1);
  return {
    batch: { features: mel.data, shape: [1, C, frames] },
    mel,
    notes: [
      ...(note === undefined ? [] : [`${note}.`]),
      ...(mel.leftOut > 0
        ? [`${path}: the first ${seconds(mel.seconds)} s are read, ${seconds(mel.leftOut)} s are left out.`]
        : []),
    ],
  };
}

/** What stands at each position of the encoder's stream. */
export const positionsOfSound = (
  { features: { frames, stride } }: FeatureStack,
  { frameSeconds }: LogMel,
): TokenInfo[] => describeFrames(frames / stride, stride * frameSeconds);

/** A sound, for encoders of spectrograms. */
export async function soundInput(
  stack: FeatureStack,
  { audio }: ScanInputOptions,
  { resolved }: Opened,
): Promise<PreparedInput> {
  if (audio === undefined) throw new InputError(`${named(stack)} reads sound: give it with --audio FILE`);
  const { batch, mel, notes } = await openSound(stack, audio, resolved);
  const tokens = positionsOfSound(stack, mel);
  return {
    page: batch,
    tokens,
    told: { ...withoutIds(audio, tokens), spectrogram: spectrogramPreview(mel) },
    notes: [...notes],
  };
}
