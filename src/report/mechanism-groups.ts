import { escapeText } from './escape.ts';
import type { MechanismRow, MechanismsReport } from './mechanisms.schema.ts';

/** One mechanism with its variants; texts are safe to show. */
export interface MechanismGroup {
  readonly title: string;
  readonly idea: string;
  readonly equation: string;
  readonly example: string;
  readonly source: string;
  readonly card: string;
  readonly citations: MechanismRow['citations'];
  /** Name of its page and picture without what follows the point: letters, digits and hyphens, unlike that of any other. */
  readonly page: string;
  readonly rows: readonly MechanismRow[];
}

/** The mechanisms in their order. The first one of a card has the card's name for its page, others their title's. */
export function mechanismGroups({ mechanisms }: MechanismsReport): MechanismGroup[] {
  const taken = new Set(['readme', 'overview']);
  const free = (names: readonly string[]) => {
    const wanted = names.map(fileName).filter((name) => name !== '');
    let name = wanted.find((one) => !taken.has(one));
    for (let i = 2; name === undefined; i++)
      if (!taken.has(`${wanted.at(-1) ?? 'mechanism'}-${i}`)) name = `${wanted.at(-1) ?? 'mechanism'}-${i}`;
    taken.add(name);
    return name;
  };
  return [...new Set(mechanisms.map(({ title }) => title))].map((title) => {
    const rows = mechanisms.filter((row) => row.title === title);
    const { idea, equation, example, source, card, citations } = rows[0]!;
    return {
      ...{ title: escapeText(title), idea: escapeText(idea), equation: escapeText(equation) },
      ...{ example: escapeText(example), source: escapeText(source), card: escapeText(card) },
      ...{ citations, page: free([card, title]), rows },
    };
  });
}

const fileName = (text: string) =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 100);

/** Under the mechanism's title its name need not be said again. */
export const variantName = ({ name }: MechanismRow): string => escapeText(name.replace(/^[^:,]+: /, ''));
