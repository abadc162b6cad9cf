import type { Command } from 'commander';
import { toyNames } from '../../claims/mechanisms/toy-names.ts';
import { type CommandContext, examples } from '../command.ts';
import { positive, whole, withJson } from '../options.ts';
import type { MechanismsFlags } from '../run-mechanisms.ts';

export function register(program: Command, context: CommandContext): void {
  const command = program
    .command('mechanisms')
    .summary('which attention has sinks, and which has none? trains the same toys with every mechanism')
    .description(
      'Trains the same toys from the same seeds with every attention mechanism, and shows them side by side: attention on BOS, losses, gates, gradient, cost. Results are kept: a run that was stopped goes on.',
    )
    .argument('[cards...]', 'names of method cards; all of them where none is given')
    .option('--toy <names...>', `toys: ${toyNames.join(', ')} (default: the first)`)
    .option('--seeds <n>', 'seeds of each cell', whole(1, 100), 3)
    .option('--share <number>', "share of each toy's own steps", positive, 1)
    .option('--out <folder>', 'where results are kept and found again', './sinklab-mechanisms')
    .option('--workers <n>', 'processes, one thread each (default: one for each core)', whole(1, 256))
    .option('--list', 'list the mechanisms with their variants')
    .option('--html <file>', 'write plots and tables as one self-contained page')
    .option('--pages <folder>', 'write a Markdown page with its plot for each mechanism, and an overview of all');
  withJson(command).action(async (cards: string[], flags: MechanismsFlags) => {
    const { runMechanisms } = await import('../run-mechanisms.ts');
    await runMechanisms(cards, flags, context);
  });
  examples(command, [
    'mechanisms --list',
    'mechanisms gated-attention --seeds 1',
    'mechanisms sink-free-softmax --toy bigram-backcopy trigger-averaging',
    'mechanisms --html mechanisms.html --json mechanisms.json',
    'mechanisms --share 0.4 --pages docs/mechanisms',
  ]);
}
