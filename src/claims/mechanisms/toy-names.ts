/** The toys of the comparison. */
export const toyNames = ['bigram-backcopy', 'trigger-averaging', 'associative-recall'] as const;

export type ToyName = (typeof toyNames)[number];
