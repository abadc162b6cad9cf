import type { Claim, ClaimSize, Judgement, Statement } from '../../src/claims/claim.ts';
import { mechanismNamed } from '../../src/claims/mechanisms/variants.ts';
import { shardOf } from '../../src/claims/shard.ts';
import type { ToyFigures } from '../../src/claims/toy-experiment.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';

/** A statement of a claim by its name, as what any statement is. */
export function statementOf(claim: Claim, name: string): Statement {
  const found = claim.statements.find((one) => one.name === name);
  if (!found) throw new Error(`${claim.card} has no statement ${name}`);
  return found as unknown as Statement;
}

/** What a toy leaves that has these figures at its end. */
export const toyRun = (
  values: Readonly<Record<string, number>>,
  untrained: Readonly<Record<string, number>> = {},
): ToyFigures => ({
  ...{ values, untrained, gradientNorm: { mean: 1, largest: 2 } },
  ...{ parameters: 1, steps: 1, seconds: 1 },
});

/** The judgement of one made-up run of each label, after the statement's own schema. */
export function judged(claim: Claim, name: string, runs: Readonly<Record<string, unknown>>): Judgement {
  const { judge, experiment } = statementOf(claim, name);
  return judge(Object.fromEntries(Object.entries(runs).map(([label, run]) => [label, [experiment.result.parse(run)]])));
}

/** Labels of every statement, once all settings have passed their experiment's schema and all mechanisms were found. */
export function labelsOf(claim: Claim, size: ClaimSize): Record<string, string[]> {
  return Object.fromEntries(
    claim.statements.map((one) => {
      const { name, experiment, settings } = one as unknown as Statement;
      const all = settings(size);
      for (const setting of Object.values(all)) {
        const { mechanism } = shardOf(experiment, setting, 0).setting as { readonly mechanism?: string };
        if (mechanism !== undefined) mechanismNamed(mechanism);
      }
      return [name, Object.keys(all)];
    }),
  );
}

/** Runs one label of a statement with parts of its setting replaced, and holds the result against the schema. */
export async function runOf<R>(claim: Claim, name: string, label: string, change: Record<string, unknown>): Promise<R> {
  const { experiment, settings } = statementOf(claim, name);
  await using runtime = nodeRuntime({ threads: 1 });
  const setting = experiment.setting.parse({ ...(settings('minutes')[label] as object), ...change });
  return experiment.result.parse(await experiment.run(setting, 0, { runtime })) as R;
}
