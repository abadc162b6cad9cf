import type { Highs } from 'highs';
import { InputError } from '../../error.ts';
import type { SpanProblem } from './problem.ts';
import { type SpanSolution, solveSpans } from './solve.ts';

/**
 * Plans of which none is better than another at every length (2406.14909), by the ε-constraint method: the cost at the last length is
 * minimised under limits on the others, `points` of each, from the best that it can be to what it is where another is best. The costs under
 * a limit count a little themselves, so that what is found is not dominated.
 *
 * Throws an InputError where no plan keeps the budgets.
 */
export function paretoSpans(problem: SpanProblem, highs: Highs, { points = 5 } = {}): SpanSolution[] {
  const lengths = problem.costs.map((_, t) => t);
  const last = lengths.length - 1;
  const weights = (of: number) => lengths.map((t) => (t === of ? 1 : 1e-3));
  const found: SpanSolution[] = [];
  for (const t of lengths) {
    const best = solveSpans(problem, { weights: weights(t) }, highs);
    if (!best)
      throw new InputError(
        `moa: no plan with ${problem.rulesPerLayer} rules per layer has a mean density from ${problem.least} to ${problem.budget} at every length; search more rules, or another budget`,
      );
    found.push(best);
  }
  const ranges = lengths.map((t) => {
    const values = found.map(({ objectives }) => objectives[t]!);
    return [Math.min(...values), Math.max(...values)] as const;
  });
  const grid = ranges.slice(0, last).reduce<number[][]>(
    (sets, [least, most]) =>
      sets.flatMap((set) =>
        // A single point would be the limit that nothing but the best keeps.
        Array.from({ length: points }, (_, i) => [...set, least + ((most - least) * (i + 1)) / points]),
      ),
    [[]],
  );
  if (last > 0)
    for (const limits of grid) {
      const one = solveSpans(problem, { weights: weights(last), limits }, highs);
      if (one) found.push(one);
    }
  return undominated(found);
}

/** Those that no other is as good as everywhere and better than somewhere, each once. */
export function undominated(solutions: readonly SpanSolution[]): SpanSolution[] {
  const better = (a: SpanSolution, b: SpanSolution) =>
    a.objectives.every((value, t) => value <= b.objectives[t]!) &&
    a.objectives.some((value, t) => value < b.objectives[t]!);
  const same = (a: SpanSolution, b: SpanSolution) => a.objectives.every((value, t) => value === b.objectives[t]!);
  return solutions.filter(
    (one, i) =>
      !solutions.some((other) => better(other, one)) && !solutions.slice(0, i).some((other) => same(one, other)),
  );
}
