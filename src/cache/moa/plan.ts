import { z } from 'zod';
import { InputError } from '../../error.ts';
import type { DecoderSizes } from '../../models/decoder.ts';
import { seededRandom, shuffle } from '../../random.ts';
import type { SpanProblem } from './problem.ts';
import type { SpanRule } from './rules.ts';
import type { SpanReading } from './spans.ts';

const rule = z.strictObject({ alpha: z.number().min(-1e9).max(1e9), beta: z.number().min(0).max(1) });

const planSchema = z.strictObject({
  format: z.literal('sinklab.span-plan/1'),
  /** Tokens of a block, and of the sinks. */
  block: z
    .int()
    .min(1)
    .max(1 << 20),
  reading: z.enum(['cache', 'mask']),
  /** By layer and key/value head. */
  rules: z.array(z.array(rule).min(1).max(4096)).min(1).max(4096),
});

/** A span rule for every head: plain JSON. */
export interface SpanPlan {
  readonly format: 'sinklab.span-plan/1';
  readonly block: number;
  readonly reading: SpanReading;
  readonly rules: readonly (readonly SpanRule[])[];
}

/** A plan from JSON that is not trusted. Throws an InputError naming the first field that is wrong. */
export function parseSpanPlan(json: unknown, name = 'span plan'): SpanPlan {
  const { data, error } = planSchema.safeParse(json);
  if (error === undefined) return data;
  const { path, message } = error.issues[0]!;
  throw new InputError(`${name}: ${path.join('.') || 'the plan'}: ${message}`);
}

/** Throws an InputError for a plan of other layers or heads. */
export function checkPlan({ rules }: SpanPlan, { L, G }: Pick<DecoderSizes, 'L' | 'G'>): void {
  const wrong = rules.find((heads) => heads.length !== G);
  if (rules.length !== L || wrong)
    throw new InputError(
      `moa: expected a plan of ${L} layers of ${G} key/value heads, got ${rules.length} of ${(wrong ?? rules[0]!).length}`,
    );
}

interface PlanUnits {
  /** Default 64. */
  readonly block?: number;
  /** Default `cache`. */
  readonly reading?: SpanReading;
}

/** The same rule for all heads. */
export function uniformPlan(
  { L, G }: Pick<DecoderSizes, 'L' | 'G'>,
  of: SpanRule,
  { block = 64, reading = 'cache' }: PlanUnits = {},
): SpanPlan {
  const rules = Array.from({ length: L }, () => new Array<SpanRule>(G).fill(of));
  return { format: 'sinklab.span-plan/1', block, reading, rules };
}

/** The plan that a search chose. */
export function chosenPlan(
  { rules, heads }: SpanProblem,
  choice: readonly number[],
  { block = 64, reading = 'cache' }: PlanUnits = {},
): SpanPlan {
  const layers = Array.from({ length: choice.length / heads }, (_, layer) =>
    choice.slice(layer * heads, (layer + 1) * heads).map((index) => rules[index]!),
  );
  return { format: 'sinklab.span-plan/1', block, reading, rules: layers };
}

/** The rules of each layer handed to other heads of it, so that every layer with two different rules changes. A control. */
export function shuffledPlan(plan: SpanPlan, seed: number): SpanPlan {
  const random = seededRandom(seed);
  const rules = plan.rules.map((heads) => {
    const order = heads.map((_, head) => head);
    const same = (a: SpanRule, b: SpanRule) => a.alpha === b.alpha && a.beta === b.beta;
    if (heads.every((one) => same(one, heads[0]!))) return heads;
    do shuffle(order, random);
    while (order.every((from, head) => same(heads[from]!, heads[head]!)));
    return order.map((from) => heads[from]!);
  });
  return { ...plan, rules };
}
