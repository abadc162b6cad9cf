import type { Control } from './result.ts';
import type { Summarised } from './summary.ts';
import { joined, percent } from './summary-words.ts';

const inWords: Record<Control['name'], string> = {
  'shuffled, first token kept': 'shuffled text with its first token kept',
  'shuffled, first token moved': 'shuffled text with another token first',
  'random initialisation': 'random initialisation',
  'weights permuted': 'permuted weights',
};

/** Each control's sink rate beside the text's; which controls are missing; and a warning when one without learnt weights shows as much. */
export function controlSentences({ controls, sinkRates }: Summarised): string[] {
  if (controls.length === 0) {
    return [
      'No control was run (--controls): these figures alone do not tell what was learnt from what the text or the architecture brings.',
    ];
  }
  const main = sinkRates[0];
  if (!main) return [];
  const compared = controls.flatMap(({ name, rates }) => {
    const same = rates.find(({ epsilon }) => epsilon === main.epsilon);
    return same ? [{ name, rate: same.rate.mean }] : [];
  });
  const sentences: string[] = [];
  if (compared.length > 0) {
    const parts = compared.map(({ name, rate }) => `${inWords[name]}: ${comparison(rate, main.rate.mean)}`);
    sentences.push(`Controls (sink rate of the text: ${percent(main.rate.mean)}): ${parts.join('; ')}.`);
  }
  const names = Object.keys(inWords) as Control['name'][];
  const missing = names.filter((name) => !compared.some((control) => control.name === name));
  if (missing.length > 0) sentences.push(`Controls not run: ${joined(missing.map((name) => inWords[name]))}.`);
  const unlearnt = compared.find(
    ({ name, rate }) =>
      (name === 'random initialisation' || name === 'weights permuted') && rate >= 0.8 * main.rate.mean,
  );
  if (unlearnt && main.rate.mean > main.uniform) {
    sentences.push(`With ${inWords[unlearnt.name]} there are as many sinks: they are no sign of anything learnt.`);
  }
  return sentences;
}

/** "the same" means within a tenth of the rate, or within half a point. */
function comparison(rate: number, reference: number): string {
  if (rate === 0) return 'no head does';
  const difference = rate - reference;
  if (Math.abs(difference) <= Math.max(0.005, 0.1 * reference)) return `the same, ${percent(rate)}`;
  return `${difference < 0 ? 'fewer' : 'more'}, ${percent(rate)}`;
}
