import { readAudioProcessor } from '../../src/load/audio/audio-processor.ts';
import { decodeAudio } from '../../src/load/audio/decode-audio.ts';
import { logMel } from '../../src/load/audio/log-mel.ts';
import { decodeImageInPage } from '../../src/load/images/decode-image-web.ts';
import { readImageProcessor } from '../../src/load/images/image-processor.ts';
import { pixelValues } from '../../src/load/images/pixel-values.ts';

const fetched = async (name: string) => (await fetch(`/fixtures/inputs/${name}`)).blob();

/** A picture as the browser decodes it. */
export async function picture(name: string): Promise<{ width: number; height: number; data: number[] }> {
  const { width, height, data } = await decodeImageInPage(await fetched(name), name);
  return { width, height, data: Array.from(data) };
}

/** Pixel values of a picture of the page. */
export async function values(name: string): Promise<number[]> {
  const processor = readImageProcessor({ image_processor_type: 'ViTImageProcessor', size: 8 }, 'page');
  return Array.from(pixelValues(await decodeImageInPage(await fetched(name), name), processor).data);
}

/** The samples of a sound, and the sum of its features. */
export async function sound(name: string): Promise<{ rate: number; samples: number[]; sum: number }> {
  const bytes = new Uint8Array(await (await fetched(name)).arrayBuffer());
  const waveform = await decodeAudio(bytes, name);
  const { data } = logMel(waveform, readAudioProcessor({ chunk_length: 1 }, 'page'));
  return { rate: waveform.rate, samples: Array.from(waveform.samples), sum: data.reduce((a, b) => a + b, 0) };
}
