/** The toys of the comparison. */
export const toyNames = [
  'bigram-backcopy',
  'bigram-backcopy-dirichlet',
  'trigger-averaging',
  'associative-recall',
] as const;

export type ToyName = (typeof toyNames)[number];
