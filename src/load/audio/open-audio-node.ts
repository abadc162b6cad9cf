import { InputError } from '../../error.ts';
import { openFile } from '../bytes-node.ts';
import { decodeAudio } from './decode-audio.ts';
import { MAXIMUM_AUDIO_BYTES, type Waveform } from './waveform.ts';

/**
 * Reads and decodes a sound file in Node; see `decodeAudio`.
 * @throws LoadError when the file cannot be read or decoded; InputError when it is over 500 MB or ten minutes.
 */
export async function openAudio(path: string): Promise<Waveform> {
  const file = await openFile(path, path);
  try {
    if (file.size > MAXIMUM_AUDIO_BYTES)
      throw new InputError(
        `${path}: ${file.size} bytes, sound files of at most ${MAXIMUM_AUDIO_BYTES / 1e6} MB are read; cut it first`,
      );
    return await decodeAudio(await file.read(0, file.size), path);
  } finally {
    await file.close();
  }
}
