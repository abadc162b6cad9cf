/** How long what is running may take to stop and clean up after Ctrl-C, in milliseconds; a command that has to save asks for more. */
export const interruption = { patience: 1000 };
