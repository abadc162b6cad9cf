/** What Ctrl-C does beyond aborting the command. */
export const interruption: {
  /** How long what is running may take to stop and clean up, in milliseconds; a command that has to save asks for more. */
  patience: number;
  /** A command's own answer to Ctrl-C: true where that is all that it means this time. */
  answer: (() => boolean) | undefined;
} = { patience: 1000, answer: undefined };
