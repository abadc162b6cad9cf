import { firstToken } from '../first-token.ts';
import type { HeadMap, ScanResult } from './result.ts';
import { leastTokens } from './sink-tokens.ts';
import { controlSentences } from './summary-controls.ts';
import { crossSentences } from './summary-cross.ts';
import { highNormSentences } from './summary-high-norm.ts';
import { massiveSentence } from './summary-massive.ts';
import { capitalised, joined, layerList, percent, percentRange, quoted } from './summary-words.ts';

export type Summarised = Omit<ScanResult, 'summary'>;

/**
 * The few sentences that matter, in plain words: only what the figures of the result support, each beside its baseline or control.
 * Token texts are quoted and shortened but not escaped.
 */
export function summarise(result: Summarised): string[] {
  const tokens = result.input.protocol?.tokens ?? result.input.page.length;
  const { causal = true } = result.model;
  if (tokens < leastTokens(causal)) {
    const why = causal
      ? 'because uniform attention alone gives short texts high sink rates'
      : 'because every mean would be over too few queries';
    return [
      `The text has ${tokens} tokens: under ${leastTokens(causal)} no attention sink is announced, ${why}.`,
      massiveSentence(result),
      ...highNormSentences(result),
      ...crossSentences(result),
      ...learnedSinkSentences(result),
    ];
  }
  return [
    rateSentence(result, tokens),
    ...layerSentences(result),
    ...windowSentences(result),
    ...learnedSinkSentences(result),
    ...pageSentences(result),
    massiveSentence(result),
    ...highNormSentences(result),
    ...crossSentences(result),
    ...controlSentences(result),
  ];
}

/** Where a token draws most, unless it is the same in all layers. */
function strongestLayer(topSink: HeadMap): string {
  const layers = topSink.flatMap((heads, layer) => (heads ? [{ layer, share: meanOf(heads) }] : []));
  const best = layers.reduce((a, b) => (b.share > a.share ? b : a), { layer: -1, share: 0 });
  return layers.length > 1 && best.layer >= 0 ? `, the most in layer ${best.layer}, ${percent(best.share)}` : '';
}

function hasSink({ sinkRates }: Summarised): boolean {
  const main = sinkRates[0];
  return main !== undefined && main.rate.mean > main.uniform;
}

function rateSentence(result: Summarised, tokens: number): string {
  const main = result.sinkRates[0];
  if (main === undefined) return 'The sink rate was not measured.';
  const { rate, uniform, epsilon } = main;
  const texts =
    rate.n === 1
      ? `one text of ${tokens} tokens`
      : `${rate.n} texts of ${tokens} tokens, deviation ${percent(rate.deviation)}`;
  const some = result.received.includes(null) ? 'heads with a pattern' : 'heads';
  const heads =
    result.sinkRatesWindow && fullLayers(result).length > 0 ? `${some} in layers with full attention` : some;
  const key0 = firstToken(result);
  if (hasSink(result)) {
    return `Sink rate at ε ${epsilon}: ${percent(rate.mean)} of ${heads} have a sink on ${key0} (${texts}); under uniform attention ${percent(uniform)}.`;
  }
  if (rate.mean === 0) {
    return `No attention sink on ${key0}: at ε ${epsilon} none of the ${heads} has one (${texts}).`;
  }
  return `No attention sink is announced: the sink rate at ε ${epsilon} is ${percent(rate.mean)} of ${heads} (${texts}), not above the ${percent(uniform)} of uniform attention.`;
}

function layerSentences(result: Summarised): string[] {
  if (!hasSink(result)) return [];
  const epsilon = result.sinkRates[0]!.epsilon;
  const full = fullLayers(result);
  if (full.length === 0) return beginning(result);
  const layers = full.map((layer) => ({
    layer,
    share: meanOf(result.received[layer]!),
    uniform: result.uniform[layer]!,
  }));
  const strong = layers.filter(({ share, uniform }) => share > epsilon && share > uniform);
  if (strong.length === 0) {
    const head = strongestHead(result.received, full);
    return [
      `No layer as a whole sends more than ${percent(epsilon)} of its attention to ${firstToken(result)}; the strongest head is head ${head.head} of layer ${head.layer} with ${percent(head.share)} (under uniform attention ${percent(result.uniform[head.layer]!)}).`,
      ...beginning(result),
    ];
  }
  const which = layerList(strong.map(({ layer }) => layer));
  const verb = strong.length === 1 ? 'sends' : 'send';
  const of = strong.length === 1 ? 'its' : 'their';
  const shares = percentRange(strong.map(({ share }) => share));
  const uniform = percentRange(strong.map((layer) => layer.uniform));
  const anyToken = keepsWhenMoved(result, strong) ? ', whatever it is' : '';
  return [
    `${capitalised(which)} ${verb} ${shares} of ${of} attention to ${firstToken(result)}${anyToken} (under uniform attention ${uniform}).`,
    ...beginning(result),
  ];
}

/** What the first token is, which changes everything about a sink. */
function beginning({ input, model }: Summarised): string[] {
  const first = input.page[0];
  if (first?.role === 'bos') return [`The first token is the BOS token ${quoted(first.text)}.`];
  if (first?.role === 'class' && first.id >= 0) return [`The first token is ${quoted(first.text)}, the class token.`];
  // What stands first in an encoder's text, and in what is no text, is part of the model.
  return input.bosAdded || model.causal === false
    ? []
    : ['No BOS token was added: the first token is whatever the text begins with.'];
}

/** Layers with a pattern and without a window narrower than the text: in a window layer most queries do not see the first token at all. */
function fullLayers({ model, input, received }: Summarised): number[] {
  const tokens = input.protocol?.tokens ?? input.page.length;
  return model.windows.flatMap((window, layer) =>
    received[layer] && (window === null || window >= tokens) ? [layer] : [],
  );
}

/** With another token in front, do the same layers still send at least 80 % of what they sent? */
function keepsWhenMoved(result: Summarised, layers: readonly { layer: number; share: number }[]): boolean {
  // A BOS or a class token stays in its place: the control says nothing about another one.
  const first = result.input.page[0]?.role;
  if (first === 'bos' || first === 'class') return false;
  const moved = result.controls.find(({ name }) => name === 'shuffled, first token moved');
  if (!moved) return false;
  return layers.every(({ layer, share }) => meanOf(moved.received[layer] ?? []) >= 0.8 * share);
}

function meanOf(shares: readonly number[]): number {
  return shares.reduce((sum, share) => sum + share, 0) / shares.length;
}

function strongestHead(received: HeadMap, layers: readonly number[]) {
  let best = { layer: 0, head: 0, share: 0 };
  for (const layer of layers) {
    received[layer]!.forEach((share, head) => {
      if (share > best.share) best = { layer, head, share };
    });
  }
  return best;
}

function windowSentences(result: Summarised): string[] {
  const main = result.sinkRatesWindow?.[0];
  if (!main) return [];
  if (fullLayers(result).length === 0 && !result.received.includes(null)) {
    return ['Every layer has a sliding window narrower than the text: only the queries within it see the first token.'];
  }
  return [
    `Layers with a sliding window are counted apart: ${percent(main.rate.mean)} of their heads have a sink on ${firstToken(result)} (under uniform attention ${percent(main.uniform)}).`,
  ];
}

function learnedSinkSentences({ model, page }: Summarised): string[] {
  if (model.learnedSinks.length === 0) return [];
  const where = capitalised(layerList(model.learnedSinks));
  const have = model.learnedSinks.length === 1 ? 'has' : 'have';
  const rows = (page.learnedSink ?? []).filter((heads) => heads !== null);
  if (rows.length === 0) return [`${where} ${have} a learned sink beside the keys; its mass was not measured.`];
  const shares = rows.map(meanOf);
  return [
    `${where} ${have} a learned sink beside the keys: on the page it takes ${percentRange(shares)} of the attention.`,
  ];
}

function pageSentences(result: Summarised): string[] {
  const { input, page, sinkRates, model } = result;
  const least = leastTokens(model.causal ?? true);
  if (input.page.length < least) {
    return [`The page has ${input.page.length} tokens: under ${least} no sink tokens are announced from it.`];
  }
  const [top, ...others] = page.sinks;
  if (!top) return ['On the page no token stands out as a sink.'];
  const sentences: string[] = [];
  if (top.position !== 0) {
    const uniform = percent(top.received - top.excess);
    sentences.push(
      `On the page the strongest sink is not ${firstToken(result)} but ${quoted(top.text)} at position ${top.position}: it receives ${percent(top.received)} over all layers and heads (under uniform attention ${uniform})${strongestLayer(page.topSink)}.`,
    );
  }
  const secondary = page.sinks.filter(({ kind }) => kind === 'secondary');
  if (secondary.length > 0) {
    const named = secondary.slice(0, 3).map(({ text, position, firstLayer, lastLayer }) => {
      const layers = firstLayer === lastLayer ? `layer ${firstLayer}` : `layers ${firstLayer}–${lastLayer}`;
      return `${quoted(text)} at position ${position} (${layers})`;
    });
    const more = secondary.length > 3 ? [`${secondary.length - 3} more`] : [];
    sentences.push(`Secondary sinks on the page: ${joined([...named, ...more])}.`);
  }
  const rest = others.filter(({ kind }) => kind !== 'secondary').length;
  if (rest > 0) {
    const epsilon = percent(sinkRates[0]?.epsilon ?? 0.3);
    sentences.push(
      `${rest} more ${rest === 1 ? 'token draws' : 'tokens draw'} over ${epsilon} of some head's attention on the page.`,
    );
  }
  return sentences;
}
