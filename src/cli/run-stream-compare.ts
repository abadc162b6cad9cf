import { comparisonOnly } from '../cache/judge/index.ts';
import { policyFiles } from '../cache/registry.ts';
import { InputError } from '../error.ts';
import { renderPoliciesHtml } from '../report/html/policies.ts';
import { writePoliciesJson } from '../report/policies-json.ts';
import { renderPoliciesSvg } from '../report/policies-svg.ts';
import { renderPolicies } from '../report/policies-terminal.ts';
import { wrap } from '../report/terminal/text.ts';
import { type CommandContext, writeJsonResult, writeTextFile } from './command.ts';
import { compareOnText, type StreamComparisonOptions } from './stream-comparison.ts';

/** What `sinklab stream --compare` was given. */
export interface StreamComparisonFlags extends Omit<StreamComparisonOptions, 'file'> {
  readonly model?: string;
  readonly file?: string;
  readonly json?: string | true;
  readonly html?: string;
  readonly svg?: string;
}

/** Compares policies by running the model under each over one text, and writes what was asked for. */
export async function runStreamComparison(flags: StreamComparisonFlags, context: CommandContext): Promise<void> {
  const { terminal } = context;
  const { file } = flags;
  if (file === undefined) throw new InputError('--compare: name the text with --file');
  const report = await compareOnText(flags.model, { ...flags, file }, context);
  if (!(await writeJsonResult(flags.json, () => writePoliciesJson(report), context)))
    terminal.out(renderPolicies(report, terminal.paint));
  const pictures = [
    ['--html', flags.html, () => renderPoliciesHtml(report)],
    ['--svg', flags.svg, async () => renderPoliciesSvg(report)],
  ] as const;
  for (const [option, path, render] of pictures) {
    if (path === undefined) continue;
    await writeTextFile(option, path, await render());
    terminal.err(`wrote ${path}\n`);
  }
}

/** The policies that can be named, one paragraph each. */
export function listPolicies(width: number): string {
  const all = [...policyFiles.map(({ name, idea }) => [name, idea] as const), ...Object.entries(comparisonOnly)];
  return `${all.flatMap(([name, idea]) => [name, ...wrap(idea, width, '  ', '  ')]).join('\n')}\n`;
}
