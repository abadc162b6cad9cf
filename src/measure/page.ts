import type { Collection } from './collection.ts';
import { highNormTokens } from './high-norm.ts';
import { uniformByLayer } from './layer-visibility.ts';
import { detectMassive } from './massive-detector.ts';
import { measurement as attentionReceived } from './measurements/attention-received.ts';
import { measurement as learnedSink } from './measurements/learned-sink.ts';
import { measurement as massiveActivations } from './measurements/massive-activations.ts';
import {
  primaryCandidates,
  type ResidualDirections,
  measurement as residualNorms,
} from './measurements/residual-norms.ts';
import type { ScanResult, TokenInfo } from './result.ts';
import { findPrimary, findTurnedTokens } from './secondary-detector.ts';
import { findSinkTokens, type SinkEvidence } from './sink-tokens.ts';

/** The page of a scan from what was collected of it, and notes for the reader. `tokens` describe the page. */
export function pageOf(
  collection: Collection,
  tokens: readonly TokenInfo[],
): { page: Omit<ScanResult['page'], 'patterns' | 'cross'>; notes: string[] } {
  const { windows, epsilons, causal = true, hasPattern } = collection.setting;
  const T = tokens.length;
  const { mean, max, perHead } = collection.found(attentionReceived);
  const directions = collection.found(residualNorms);
  // Secondary sinks are tokens after the primary (2512.22213): a notion of causal decoders.
  const residual = causal ? residualEvidence(directions, tokens) : undefined;
  const found = findSinkTokens({
    tokens,
    windows,
    causal,
    ...(hasPattern ? { hasPattern } : {}),
    mean,
    max,
    epsilon: epsilons[0]!,
    ...(residual ? { residual } : {}),
  });
  const top = found.sinks[0]?.position ?? found.strongest ?? 0;
  const extremes = collection.found(massiveActivations);
  const massive = detectMassive(extremes);
  const sinkMass = collection.found(learnedSink);
  const magnitude = (layer: number, place: number) => Math.abs(extremes[layer]!.largest[place]?.value ?? 0);
  return {
    page: {
      received: mean.map((keys) => keys && Array.from(keys, finite)),
      uniform: uniformByLayer(collection.setting).map((uniform) => uniform && Array.from(uniform.received, finite)),
      topSink: perHead.map(
        (keys) => keys && Array.from({ length: keys.length / T }, (_, head) => finite(keys[head * T + top]!)),
      ),
      sinks: found.sinks,
      ...(causal ? {} : { highNorm: highNormTokens(directions.norms, tokens) }),
      massive: massive.activations,
      written: massive.written,
      erased: massive.erased,
      curves: {
        largest: extremes.map((_, layer) => [magnitude(layer, 0), magnitude(layer, 1), magnitude(layer, 2)]),
        median: extremes.map(({ median }) => median),
      },
      measured: collection.pictures({ top }),
      ...(sinkMass.some((heads) => heads !== null) ? { learnedSink: sinkMass } : {}),
    },
    notes: found.notes,
  };
}

/** Secondary sinks need two layers; without them every sink is told by attention alone. */
function residualEvidence(
  { norms, cosines }: ResidualDirections,
  tokens: readonly TokenInfo[],
): SinkEvidence['residual'] {
  if (norms.length < 2) return undefined;
  const chat = tokens.some(({ role }) => role === 'template');
  const candidates = primaryCandidates.slice(0, chat ? 3 : 2).filter((position) => position < tokens.length);
  const primary = findPrimary(norms, candidates);
  const cosine = cosines[primaryCandidates.indexOf(primary.position)]!;
  return { primary, turned: findTurnedTokens(cosine, primary), cosine };
}

/** Keys that no later query sees have no mean; they are shown as 0. */
const finite = (value: number) => (Number.isFinite(value) ? value : 0);
