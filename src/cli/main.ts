#!/usr/bin/env node
import { interruption } from './interruption.ts';
import { runCommandLine } from './program.ts';
import { processTerminal } from './terminal.ts';

/** A reader that went away (`sinklab info | head`) is no error. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const abort = new AbortController();
process.on('SIGINT', () => {
  if (interruption.answer?.()) return;
  // A second Ctrl-C does not wait.
  if (abort.signal.aborted) process.exit(130);
  process.stderr.write('\nsinklab: interrupted\n');
  abort.abort(new Error('interrupted'));
  setTimeout(() => process.exit(130), interruption.patience).unref();
});

process.exitCode = await runCommandLine(process.argv.slice(2), processTerminal(), abort.signal);
