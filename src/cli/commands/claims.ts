import type { Command } from 'commander';
import { Option } from 'commander';
import { type CommandContext, examples } from '../command.ts';
import { whole, withJson } from '../options.ts';
import type { ClaimsFlags } from '../run-claims.ts';

export function register(program: Command, context: CommandContext): void {
  const command = program
    .command('claims')
    .summary('does what the papers say appear here? runs their experiments and judges them')
    .description(
      'Runs what the method cards say works as experiments with a verdict: shown, in part, or not shown at this scale, each figure beside the published one, with its negative controls. Results are kept: a run that was stopped goes on.',
    )
    .argument('[cards...]', 'names of method cards; all of them where none is given')
    .addOption(
      new Option('--size <size>', 'how long it may take: minutes for each statement, or a night')
        .choices(['minutes', 'night'])
        .default('minutes'),
    )
    .option('--seeds <n>', 'seeds of each setting', whole(1, 100), 3)
    .option('--out <folder>', 'where results are kept and found again', './sinklab-claims')
    .option('--workers <n>', 'processes, one thread each (default: one for each core)', whole(1, 256))
    .option('--list', 'list the cards and what they say')
    .option('--html <file>', 'write the judgements as one self-contained page')
    .option('--markdown <file>', 'write the judgements as a Markdown page');
  withJson(command).action(async (cards: string[], flags: ClaimsFlags) => {
    const { runClaims } = await import('../run-claims.ts');
    await runClaims(cards, flags, context);
  });
  examples(command, ['claims --list', 'claims gated-attention --seeds 1', 'claims --size night --html claims.html']);
}
