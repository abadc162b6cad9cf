import { LoadError } from '../error.ts';
import { writeChecked } from './checked-json.ts';
import { escapeText } from './escape.ts';
import { type PoliciesReport, policiesSchema } from './policies.schema.ts';

/** The report as JSON; see `writeChecked`. */
export const writePoliciesJson = (report: PoliciesReport): string =>
  writeChecked('policies', policiesSchema, checkSizes(report, 'policies'));

/** The longest result that is read, in characters. */
const longest = 2 ** 28;

/** Reads what `writePoliciesJson` wrote; nothing in it is trusted. @throws LoadError naming the place and what is wrong there. */
export function parsePoliciesReport(json: string, name = 'policies'): PoliciesReport {
  const where = escapeText(name);
  if (json.length > longest)
    throw new LoadError(`${where}: at most ${longest} characters are read, the file has ${json.length}`);
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new LoadError(`${where}: expected JSON written by \`sinklab stream --compare … --json\``);
  }
  const { data, error } = policiesSchema.safeParse(value);
  if (error === undefined) return checkSizes(data, where);
  const { path, message } = error.issues[0]!;
  throw new LoadError(escapeText(`${where}: ${path.join('.') || 'the file'}: ${message}`));
}

/** What depends on each other: one loss for every token, figures for every policy in their order. */
function checkSizes(report: PoliciesReport, where: string): PoliciesReport {
  const { policies, figures, text } = report;
  const fail = (what: string) => new LoadError(escapeText(`${where}: ${what}`));
  if (figures.length !== policies.length)
    throw fail(`figures: expected ${policies.length}, one for each policy, found ${figures.length}`);
  policies.forEach(({ label, losses }, i) => {
    if (losses.length !== text.tokens)
      throw fail(`policies.${i}.losses: expected ${text.tokens}, one for each token, found ${losses.length}`);
    if (figures[i]!.label !== label)
      throw fail(`figures.${i}.label: expected ${JSON.stringify(label)}, found ${JSON.stringify(figures[i]!.label)}`);
  });
  return report;
}
