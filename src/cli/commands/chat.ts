import type { Command } from 'commander';
import { type CommandContext, examples } from '../command.ts';
import { modelArgument, whole } from '../options.ts';
import type { RunChatFlags } from '../run-chat.ts';
import { withStreamOptions } from '../stream-options.ts';

export function register(program: Command, context: CommandContext): void {
  const command = program
    .command('chat')
    .summary('a conversation in the terminal that never ends')
    .description(
      "Talks with an instruction-tuned model through its own chat template. Only new turns are read; the cache's policy keeps memory constant, and the system prompt stays pinned. In a pipe, every line of standard input is a message.",
    )
    .argument('[model]', `${modelArgument}; default SmolLM2-135M-Instruct`)
    .option('--max-tokens <n>', 'longest answer in tokens', whole(1, 1_000_000), 1024);
  withStreamOptions(command).action(async (model: string | undefined, flags: RunChatFlags) => {
    const { runChat } = await import('../run-chat.ts');
    await runChat(model, flags, context);
  });
  examples(command, [
    'chat',
    'chat model.gguf --system "You are a pirate." --capacity 1024',
    'chat ./my-model --policy streaming-llm --sinks 4 --temperature 0 < questions.txt',
  ]);
}
