import type { Claim, ClaimSize, Statement } from '../claims/claim.ts';
import type { Experiment } from '../claims/experiment.ts';
import { claims } from '../claims/registry.ts';
import { shardOf } from '../claims/shard.ts';
import { InputError } from '../error.ts';
import type { ClaimsReport } from '../report/claims.schema.ts';
import { writeClaimsJson } from '../report/claims-json.ts';
import { claimsMarkdown } from '../report/claims-markdown.ts';
import { renderClaims } from '../report/claims-terminal.ts';
import { renderClaimsHtml } from '../report/html/claims.ts';
import { wrap } from '../report/terminal/text.ts';
import { type CommandContext, writeJsonResult, writeTextFile } from './command.ts';
import { type ExperimentFlags, runExperiment } from './run-experiment.ts';
import { version } from './version.ts';

/** What `sinklab claims` was given. */
export interface ClaimsFlags extends ExperimentFlags {
  readonly size: ClaimSize;
  readonly seeds: number;
  readonly list?: boolean;
  readonly json?: string | true;
  readonly html?: string;
  readonly markdown?: string;
}

/** Loaded when the command runs: every other command would wait for all mechanisms and toys. */
export async function runClaims(cards: readonly string[], flags: ClaimsFlags, context: CommandContext): Promise<void> {
  const { terminal } = context;
  const chosen = cards.length === 0 ? claims : cards.map(claimNamed);
  if (flags.list) return terminal.out(list(chosen, terminal.paint.width));
  const seeds = Array.from({ length: flags.seeds }, (_, seed) => seed);
  const statements: ClaimsReport['statements'] = [];
  for (const claim of chosen)
    for (const one of claim.statements) statements.push(await judged(claim, one, seeds, flags, context));
  const report: ClaimsReport = {
    ...{ format: 'sinklab.claims/1', sinklab: version, size: flags.size, seeds, statements },
    provenance: { runtime: 'onnxruntime', node: process.versions.node },
  };
  if (!(await writeJsonResult(flags.json, () => writeClaimsJson(report), context)))
    terminal.out(renderClaims(report, terminal.paint));
  if (flags.markdown !== undefined) {
    await writeTextFile('--markdown', flags.markdown, claimsMarkdown(report));
    terminal.err(`wrote ${flags.markdown}\n`);
  }
  if (flags.html === undefined) return;
  await writeTextFile('--html', flags.html, await renderClaimsHtml(report));
  terminal.err(`wrote ${flags.html}\n`);
}

async function judged(
  claim: Claim,
  one: Statement<never, never>,
  seeds: readonly number[],
  flags: ClaimsFlags,
  context: CommandContext,
): Promise<ClaimsReport['statements'][number]> {
  const { card, title, source } = claim;
  const experiment = one.experiment as Experiment<unknown, { readonly seconds?: number }>;
  const labels = Object.entries(one.settings(flags.size) as Readonly<Record<string, unknown>>);
  const shards = labels.flatMap(([, setting]) => seeds.map((seed) => shardOf(experiment, setting, seed)));
  if (!context.terminal.live) context.terminal.err(`${card}, ${one.name}: ${shards.length} runs\n`);
  const results = await runExperiment(experiment, shards, flags, context);
  const byLabel = Object.fromEntries(
    labels.map(([label], i) => [label, results.slice(i * seeds.length, (i + 1) * seeds.length)]),
  );
  const { verdict, figures, note } = one.judge(byLabel as never);
  return {
    ...{ card, title, source, name: one.name, says: one.says, verdict },
    figures: figures.map(({ about, values, expected, control }) => ({
      ...{ about, values: [...values], expected: expected ?? null, control: control ?? false },
    })),
    note: note ?? null,
    command: `sinklab claims ${card} --size ${flags.size} --seeds ${seeds.length}`,
    seconds: results.reduce((total, { seconds = 0 }) => total + seconds, 0),
  };
}

function claimNamed(name: string): Claim {
  const found = claims.find(({ card }) => card === name);
  if (found) return found;
  throw new InputError(
    `claims: there is none of card ${JSON.stringify(name)}; there are ${claims.map(({ card }) => card).join(', ')}`,
  );
}

function list(chosen: readonly Claim[], width: number): string {
  const lines = chosen.flatMap(({ card, title, source, statements }) => [
    `${card}: ${title} (${source})`,
    ...statements.flatMap(({ name, says }) => wrap(`${name}: ${says}`, width, '    ', '  ')),
  ]);
  return `${lines.join('\n')}\n`;
}
