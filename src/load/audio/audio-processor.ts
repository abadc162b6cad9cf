import type { LoadError } from '../../error.ts';
import type { ByteFolder } from '../byte-folder.ts';
import { ConfigReader } from '../config.ts';
import { readPreprocessor } from '../preprocessor.ts';
import { melFilters } from './mel.ts';

/** How sound becomes what Whisper reads, as `preprocessor_config.json` says. */
export interface AudioProcessor {
  /** Mel filters, the channels of the features: 80, or 128 from large-v3 on. */
  readonly bins: number;
  /** Samples a second. */
  readonly rate: number;
  /** Samples of one Fourier transform. */
  readonly window: number;
  /** Samples from one frame to the next. */
  readonly hop: number;
  /** Sound is cut, or filled up with silence, to this many seconds. */
  readonly seconds: number;
}

/** The highest frequency of the filters, in Hz. */
export const HIGHEST_FREQUENCY = 8000;

/**
 * Reads the settings of `WhisperFeatureExtractor`. A filter table in the file must be the one that is computed here.
 * @param values the parsed file.
 * @param place names the file in errors.
 * @param bins where the file does not say; default 80.
 * @throws LoadError for another extractor, an unknown key, or a value that cannot be served.
 */
export function readAudioProcessor(
  values: Readonly<Record<string, unknown>>,
  place: string,
  bins = 80,
): AudioProcessor {
  const config = new ConfigReader(values, place).ignore(['processor_class', 'return_attention_mask']);
  const whisper = 'WhisperFeatureExtractor';
  config.oneOf('feature_extractor_type', [whisper], { default: whisper });
  const processor: AudioProcessor = {
    bins: config.int('feature_size', { default: bins, min: 1, max: 512 }),
    rate: config.oneOf('sampling_rate', [16000], { default: 16000 }),
    window: config.int('n_fft', { default: 400, min: 16, max: 4096 }),
    hop: config.int('hop_length', { default: 160, min: 16, max: 4096 }),
    seconds: config.int('chunk_length', { default: 30, min: 1, max: 120 }),
  };
  if (processor.window % 2 !== 0) throw config.error('n_fft', 'an even number');
  const samples = processor.seconds * processor.rate;
  config.oneOf('n_samples', [samples], { default: samples });
  const frames = Math.floor(samples / processor.hop);
  config.oneOf('nb_max_frames', [frames], { default: frames });
  config.oneOf('padding_side', ['right'], { default: 'right' });
  config.oneOf('padding_value', [0], { default: 0 });
  config.oneOf('dither', [0], { default: 0 });
  config.oneOf('do_normalize', [false], { default: false });
  checkFilters(config, processor);
  config.done();
  return processor;
}

/** A stored table is compared, not used: the reference computes its own too. */
function checkFilters(config: ConfigReader, { bins, window, rate }: AudioProcessor): void {
  if (!config.has('mel_filters')) return;
  const frequencies = window / 2 + 1;
  const expected = `the ${bins} × ${frequencies} Slaney mel filters`;
  const table = config.value('mel_filters', expected, (value): value is unknown[][] => {
    return (
      Array.isArray(value) &&
      value.length === bins &&
      value.every((row) => Array.isArray(row) && row.length === frequencies)
    );
  });
  const wrong = (): LoadError => config.error('mel_filters', expected);
  for (const [bin, { first, weights }] of melFilters(bins, frequencies, rate, HIGHEST_FREQUENCY).entries())
    for (const [frequency, stored] of (table[bin] ?? []).entries())
      if (!(typeof stored === 'number' && Math.abs(stored - (weights[frequency - first] ?? 0)) < 1e-6)) throw wrong();
}

/** A processor and where it is from. */
export interface OpenedAudioProcessor {
  readonly processor: AudioProcessor;
  /** The file, or undefined when the folder has none. */
  readonly place?: string;
  /** Says what was assumed where the folder has no file. */
  readonly note?: string;
}

/**
 * The audio processor of a checkpoint's folder; Whisper's usual settings, and a note that says so, where it has none.
 * @param bins `num_mel_bins` of `config.json`; default 80.
 * @throws LoadError when the file is malformed.
 */
export async function openAudioProcessor(folder: ByteFolder, bins = 80): Promise<OpenedAudioProcessor> {
  const file = await readPreprocessor(folder, 'feature_extractor');
  if (file !== undefined) return { processor: readAudioProcessor(file.values, file.place, bins), place: file.place };
  return {
    processor: readAudioProcessor({ feature_size: bins }, 'default'),
    note: `${folder.name} has no preprocessor_config.json: sound is prepared as by WhisperFeatureExtractor with ${bins} mel filters`,
  };
}
