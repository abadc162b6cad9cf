import { type Command, InvalidArgumentError, Option } from 'commander';
import { roundings } from '../models/rounded-weights.ts';
import { whole } from './options.ts';

const shares = (text: string): number[] => {
  const values = text.split(',').map(Number);
  if (values.length > 0 && values.every((value) => value > 0 && value < 1)) return values;
  throw new InvalidArgumentError('expected numbers between 0 and 1, such as 0.3 or 0.3,0.2');
};

/** Options of `scan` and `compare` that say what goes in and what is measured. */
export function withScanOptions(command: Command): Command {
  return command
    .option('--text <text>', 'scan this text')
    .option('--file <path>', 'scan a text file (UTF-8, .gz too)')
    .option('--ids <list>', 'scan token ids: 1,2,3 or a JSON list')
    .option('--chat <path>', 'scan chat messages (JSON: [{"role": …, "content": …}]) through the model’s own template')
    .option('--pair <text>', 'a second text beside the first, for encoders that read pairs')
    .option('--image <files...>', 'scan pictures (PNG, JPEG, WebP, GIF), for models that read them')
    .option('--audio <file>', 'scan a sound (WAV, FLAC, MP3), for models that read it')
    .option('--corpus <path>', 'take the texts of the sink rate and the page from this file')
    .addOption(
      new Option('--bos <mode>', 'BOS in front: as the model’s files say, always, or never')
        .choices(['auto', 'add', 'none'])
        .default('auto'),
    )
    .option('--tokens <n>', 'longest page in tokens', whole(2, 1_000_000), 1000)
    .option('--texts <n>', 'texts of the sink rate', whole(1, 100_000), 100)
    .option('--text-tokens <n>', 'tokens of each of them', whole(2, 100_000), 64)
    .option('--epsilon <list>', 'a head has a sink where a key receives more than this on the mean', shares, [0.3])
    .addOption(
      new Option(
        '--weights <bits>',
        'round matrices to int8 or int4, and say what that changes: a scan as stored beside it (default: as stored)',
      ).choices([...roundings]),
    )
    .option('--controls', 'shuffled texts, random and permuted weights as well: five times the work')
    .option('--seed <n>', 'seed of the controls', whole(0, 2 ** 31 - 1), 0);
}
