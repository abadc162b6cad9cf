import type { Highs, ModelData } from 'highs';
import { RunError } from '../../error.ts';
import type { SpanProblem } from './problem.ts';

export interface SpanGoal {
  /** Weight of each objective, by length; at least one above 0. */
  readonly weights: readonly number[];
  /** Greatest value of each objective; absent or infinite: no limit. */
  readonly limits?: readonly number[];
}

export interface SpanSolution {
  /** Index of each head's rule, by layer · heads + head. */
  readonly choice: readonly number[];
  /** What is lost, by length. */
  readonly objectives: readonly number[];
  /** Mean density, by length. */
  readonly densities: readonly number[];
}

/**
 * The plan of least weighed cost within budgets and limits, as an integer programme: x[head, rule] and y[layer, rule] are 0 or 1, every head
 * has one rule, x ≤ y, and a layer has few y. Solved to the end by HiGHS, in WebAssembly, which is handed in: `await loadSolver()` in Node,
 * `await loadHighs()` of the package `highs` in a page. Undefined where no plan keeps the budgets and limits.
 */
export function solveSpans(problem: SpanProblem, goal: SpanGoal, highs: Highs): SpanSolution | undefined {
  return highs.withModel(programme(problem, goal, highs), (model) => {
    model.options.set({ output_flag: false, mip_rel_gap: 0, mip_abs_gap: 0, random_seed: 1 });
    model.run();
    const status = model.getModelStatus();
    if (status === highs.constants.modelStatus.infeasible) return undefined;
    if (status !== highs.constants.modelStatus.optimal)
      throw new RunError(`moa: the solver of the integer programme ended with status ${status}; try fewer rules`);
    const { colValue } = model.getSolution();
    const R = problem.rules.length;
    const heads = Array.from({ length: problem.layers * problem.heads }, (_, head) => head);
    return solution(
      problem,
      heads.map((head) => colValue.slice(head * R, (head + 1) * R).findIndex((value) => value > 0.5)),
    );
  });
}

/** What a choice of rules costs, and its mean densities. */
export function solution({ costs, densities }: SpanProblem, choice: readonly number[]): SpanSolution {
  return {
    choice,
    objectives: costs.map((heads) => choice.reduce((sum, rule, head) => sum + heads[head]![rule]!, 0)),
    densities: densities.map((of) => choice.reduce((sum, rule) => sum + of[rule]!, 0) / choice.length),
  };
}

/** Columns: x by head and rule, then y by layer and rule. Costs are divided by the largest of their length: tolerances are absolute. */
function programme(problem: SpanProblem, { weights, limits = [] }: SpanGoal, highs: Highs): ModelData {
  const { layers, heads, rules, costs, densities, budget, least, rulesPerLayer } = problem;
  const [N, R] = [layers * heads, rules.length];
  const x = (head: number, rule: number) => head * R + rule;
  const y = (layer: number, rule: number) => N * R + layer * R + rule;
  const columns = (N + layers) * R;
  const starts = [0];
  const indices: number[] = [];
  const values: number[] = [];
  const [lower, upper]: [number[], number[]] = [[], []];
  const row = (from: number, to: number, entries: readonly (readonly [number, number])[]) => {
    for (const [column, value] of entries) {
      indices.push(column);
      values.push(value);
    }
    starts.push(indices.length);
    lower.push(from);
    upper.push(to);
  };
  const all = Array.from({ length: N * R }, (_, at) => [Math.floor(at / R), at % R] as const);
  const eachRule = Array.from({ length: R }, (_, rule) => rule);
  for (let head = 0; head < N; head++)
    row(
      1,
      1,
      eachRule.map((rule) => [x(head, rule), 1]),
    );
  for (const [head, rule] of all)
    row(-highs.infinity, 0, [
      [x(head, rule), 1],
      [y(Math.floor(head / heads), rule), -1],
    ]);
  for (let layer = 0; layer < layers; layer++)
    row(
      0,
      rulesPerLayer,
      eachRule.map((rule) => [y(layer, rule), 1]),
    );
  for (const of of densities)
    row(
      least,
      budget,
      all.map(([head, rule]) => [x(head, rule), of[rule]! / N]),
    );
  const scales = costs.map(
    (of) => of.reduce((most, row) => row.reduce((m, v) => Math.max(m, Math.abs(v)), most), 0) || 1,
  );
  const cost = new Float64Array(columns);
  costs.forEach((of, t) => {
    for (const [head, rule] of all) cost[x(head, rule)]! += (weights[t]! * of[head]![rule]!) / scales[t]!;
    const limit = limits[t] ?? Number.POSITIVE_INFINITY;
    if (limit < Number.POSITIVE_INFINITY)
      row(
        -highs.infinity,
        limit / scales[t]!,
        all.map(([head, rule]) => [x(head, rule), of[head]![rule]! / scales[t]!]),
      );
  });
  return {
    ...{ numCols: columns, numRows: lower.length, colCost: cost, rowLower: lower, rowUpper: upper },
    colLower: new Float64Array(columns),
    colUpper: new Float64Array(columns).fill(1),
    matrix: { format: 'csr', numRows: lower.length, numCols: columns, starts, indices, values },
    integrality: new Int32Array(columns).fill(highs.constants.variableType.integer),
  };
}
