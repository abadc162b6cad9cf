/** Policies judged by running the model under them. */
export { type ComparisonOptions, comparePolicies, keptMoments, strideOf } from './compare.ts';
export { type PolicyFigures, policyFigures, referenceOf } from './figures.ts';
export type { NeedleAnswer } from './needle-answers.ts';
export { type NeedleOptions, type NeedleTask, needleTasks } from './needle-tasks.ts';
export { type ComparedPolicy, comparisonOnly, type NamedPolicies, namedPolicies } from './policy-names.ts';
export type { KeptRun, PolicyRun, Span, SpanLoss } from './policy-run.ts';
export type { Pace } from './read-steps.ts';
