import { escapeText } from './escape.ts';
import { bytes, integer, number } from './format.ts';
import type { PoliciesReport, PolicyRow } from './policies.schema.ts';
import { duration } from './train-words.ts';

type Left = PolicyRow['left'][number];

/** `the first token left at token 253`; with both ends where not all went at once. */
function leftWords({ label, firstLost, allLost }: Left): string | undefined {
  if (firstLost === null) return undefined;
  if (allLost === null) return `part of ${label} left at token ${integer(firstLost)}`;
  if (allLost === firstLost) return `${label} left at token ${integer(firstLost)}`;
  return `${label} left between tokens ${integer(firstLost)} and ${integer(allLost)}`;
}

const capital = (text: string) => text.slice(0, 1).toUpperCase() + text.slice(1);

/** What the user relies on that was evicted, sentence by sentence; also where a policy ended, and its notes. */
export function policySentences({ policies }: PoliciesReport): string[] {
  return policies.flatMap(({ label, ended, left, notes }) => {
    const gone = left.flatMap((span) => leftWords(span) ?? []);
    const kept = left.filter(({ firstLost }) => firstLost === null).map((span) => span.label);
    const sentences = [
      ...(ended ? [`ended at token ${integer(ended.at)}: ${ended.why}`] : []),
      ...(gone.length > 0 ? [gone.join('; ')] : []),
      ...(kept.length > 0 ? [`still there at the end: ${kept.join(', ')}`] : []),
      ...notes,
    ];
    const [first, ...others] = sentences;
    if (first === undefined) return [];
    return [escapeText([`${label}: ${first}`, ...others.map(capital)].map((sentence) => `${sentence}.`).join(' '))];
  });
}

/** Facts that were evicted before they were asked for, by policy. */
export function needleSentences({ policies }: PoliciesReport): string[] {
  return policies.flatMap(({ label, needles }) => {
    const told = (wholly: boolean) =>
      needles.flatMap(({ depth, left: { firstLost, allLost } }) => {
        const at = wholly ? allLost : allLost === null ? firstLost : null;
        return at === null ? [] : [`at ${Math.round(depth * 100)} % (token ${at})`];
      });
    const parts = [
      ['wholly', told(true)],
      ['in part', told(false)],
    ] as const;
    const words = parts.flatMap(([how, where]) => (where.length === 0 ? [] : [`${how} ${where.join(', ')}`]));
    if (words.length === 0) return [];
    return [escapeText(`${label}: evicted before the question at token ${needles[0]!.tokens}: ${words.join('; ')}.`)];
  });
}

/** What was run, for the head of every view. */
export function comparisonWords({ model, text, capacity, settings, reference, policies }: PoliciesReport): string[] {
  const name = model.source.split(/[\\/]/).at(-1) ?? model.source;
  return [
    escapeText(
      `${name}, ${integer(text.tokens)} tokens of ${text.source}, ${integer(capacity)} entries a head. Each policy reads the same tokens; loss is −log p of each, given what the policy kept; figures are after the first ${integer(capacity)} tokens, ± standard error from blocks.`.replaceAll(
        '\u00a0',
        ' ',
      ),
    ),
    ...(policies.some(({ label }) => label === 'recompute')
      ? [
          `Reference: the last ${capacity} tokens read afresh (recompute), for every ${settings.stride}th token; ratios of perplexities are over the tokens that both predicted. Its own loss is over fewer tokens than the others': compare by the ratio.`,
        ]
      : reference === null
        ? []
        : [`Reference: ${escapeText(reference)}; ratios of perplexities are over the tokens that both predicted.`]),
    settings.oneByOne
      ? `Tokens went one by one; times are medians of ${settings.every}.`
      : `Policies that look at places read in chunks, which gives the same losses; times are medians of ${settings.stretch} single tokens out of every ${settings.every}, one policy after the other on the same machine.`,
  ];
}

/** Where it comes from, as names and facts. */
export function provenanceFacts({
  sinklab,
  date,
  model,
  text,
  provenance: from,
  settings,
}: PoliciesReport): [string, string][] {
  const facts: [string, string][] = [
    [
      'model',
      `${model.source} · ${model.family} · ${model.layers} layers, ${model.keyValueHeads} key/value heads of ${model.headWidth}, trained for ${model.maxPositions} positions`,
    ],
    ...model.files.map(({ name, bytes: size, sha256 }): [string, string] => [
      'file',
      `${name} · ${bytes(size).replace('\u00a0', ' ')} · sha256 ${sha256}`,
    ]),
    [
      'text',
      `${text.source} · ${text.tokens} tokens · BOS ${text.bosAdded ? 'added' : 'not added'} · first ids ${text.firstIds.join(' ')} · sha256 of ids ${text.sha256}`,
    ],
    ['weights', `${from.weights}; seed ${settings.seed}`],
    [
      'ran on',
      `${from.runtime}, ${from.device}, ${from.threads} threads, Node ${from.node}, ${number(from.seconds)} s`.replaceAll(
        '\u00a0',
        ' ',
      ),
    ],
    ['written', `sinklab ${sinklab} · ${date}`],
  ];
  return facts.map(([name, fact]) => [escapeText(name), escapeText(fact)]);
}

export const timeWords = ({ provenance }: PoliciesReport): string => `${duration(provenance.seconds)} in all.`;
