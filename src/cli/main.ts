#!/usr/bin/env node
import { runCommandLine } from './program.ts';
import { processTerminal } from './terminal.ts';

/** A reader that went away (`sinklab info | head`) is no error. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

/** How long what is running may take to stop and clean up after Ctrl-C; a second Ctrl-C does not wait. */
const patience = 1000;
const abort = new AbortController();
process.on('SIGINT', () => {
  if (abort.signal.aborted) process.exit(130);
  process.stderr.write('\nsinklab: interrupted\n');
  abort.abort(new Error('interrupted'));
  setTimeout(() => process.exit(130), patience).unref();
});

process.exitCode = await runCommandLine(process.argv.slice(2), processTerminal(), abort.signal);
