import { type Command, Option } from 'commander';
import { type CommandContext, examples } from '../command.ts';
import { modelArgument, whole, withJson } from '../options.ts';
import type { RunStreamFlags } from '../run-stream.ts';
import { type CompareFlags, comparisonFlags, withComparisonOptions } from '../stream-compare-options.ts';
import { withStreamOptions } from '../stream-options.ts';

type Flags = RunStreamFlags & CompareFlags;

export function register(program: Command, context: CommandContext): void {
  const command = program
    .command('stream')
    .summary('generates text without end, at constant memory, under a cache policy')
    .description(
      'Continues a text until Ctrl-C (or --max-tokens, or --stop), over a key/value cache that a policy keeps small. Text goes to standard output as it comes; memory and time per token do not grow.',
    )
    .argument('[model]', `${modelArgument}; default SmolLM2-135M-Instruct`)
    .option('--prompt <text>', 'the text to go on from (default: BOS alone)')
    .option('--file <file>', 'a text file to go on from (UTF-8, .gz too)')
    .option('--ids <ids>', 'token ids to go on from: 1,2,3 or a JSON list')
    .addOption(new Option('--bos <mode>', 'put BOS in front').choices(['auto', 'add', 'none']).default('auto'))
    .option('--max-tokens <n>', 'tokens to generate (default: without end)', whole(1, Number.MAX_SAFE_INTEGER))
    .option('--stop-at-eos', 'ends where the model does; otherwise EOS is read as any token')
    .option('--save <file>', 'at the end, writes everything that is needed to go on')
    .option('--resume <file>', 'goes on from such a file: same model, policy and sizes');
  withComparisonOptions(withJson(withStreamOptions(command))).action(
    async (model: string | undefined, flags: Flags) => {
      if (flags.list) {
        const { listPolicies } = await import('../run-stream-compare.ts');
        return context.terminal.out(listPolicies(context.terminal.paint.width));
      }
      const compared = comparisonFlags(model, flags, (name) => command.getOptionValueSource(name) === 'cli');
      if (compared) {
        const { runStreamComparison } = await import('../run-stream-compare.ts');
        return runStreamComparison(compared, context);
      }
      const { runStream } = await import('../run-stream.ts');
      await runStream(model, flags, context);
    },
  );
  examples(command, [
    'stream --prompt "It was a dark night, and"',
    'stream ./my-model --capacity 1024 --sinks 8 --temperature 0 --file story.txt',
    'stream model.gguf --system "You tell one endless story." --weights int4 --save night.state',
    'stream --compare full,window,streaming-llm:4,recompute --file book.txt --tokens 8000 --html policies.html',
    'stream model.gguf --max-tokens 100000 --json stream.json > text.txt',
  ]);
}
