import { rmsNorm } from '../../layers/norms.ts';
import { type Axes, silu, type Tensor, type Within } from '../../tensor/index.ts';
import { attention } from '../attention.ts';
import type { AttentionLayer, AttentionTap } from '../layer.ts';
import type { MechanismSite } from '../mechanism.ts';
import { projections } from '../projections.ts';
import type { AttentionGiven, AttentionSteps, Queries, Stream } from '../steps.ts';
import { applyGate, gateOf, gateScores, tapGate } from './gate.ts';
import { type QueryAndGate, queryAndGate } from './gate-layout.ts';
import type { GateSettings } from './gate-options.ts';
import { headNorm } from './head-norm.ts';

type QueryAxes = 'B' | 'T' | 'G' | 'R' | 'D';
type KeyAxes = 'B' | 'S' | 'G' | 'D';

/** The five steps of what is gated, around the output that they are to end in. */
export type GatedSteps = (output: (z: Queries) => Stream, given: AttentionGiven) => AttentionSteps;

/** An attention layer with a gate at one of its five positions. Scores, normaliser and mix are whatever `stepsWith` makes them. */
export function gatedLayer(site: MechanismSite, settings: GateSettings, stepsWith: GatedSteps): AttentionLayer {
  const built = (x: Stream) => gatedAttention(site, settings, stepsWith, x);
  return {
    // Of a layer that is built on the keys' stream only keys and values are made.
    keysAndValues: (x, places, hook) => built(x as unknown as Stream).keysAndValues(x, places, hook),
    attend: (x, kv, places, hook) => built(x).attend(x, kv, places, hook),
  };
}

function gatedAttention(
  { at, sizes, position: place, epsilon }: MechanismSite,
  settings: GateSettings,
  stepsWith: GatedSteps,
  x: Stream,
): AttentionLayer {
  const { position, alone, granularity, combine, inputIndependent, layout, order, headNorms, bias } = settings;
  const { H, G, D, M } = sizes;
  const plain = projections(at, sizes, bias);

  const inHead = (granularity === 'head-wise' ? {} : { D }) as { D: number };
  const gate = <const N extends 'G' | 'R' | 'D' | 'M'>(axes: Axes<N>) =>
    gateOf(gateScores(at('self_attn.gate'), axes, inputIndependent ? undefined : x), settings);
  const perQuery = () => gate({ G, R: H / G, ...inHead }) as Within<QueryAxes>;
  const perKey = () => gate({ G, ...inHead }) as Within<KeyAxes>;

  const packs = position === 'sdpa-output' && !alone && !inputIndependent && layout !== 'separate';
  let once: QueryAndGate | undefined;
  const packed = () => {
    once ??= queryAndGate(x, at, sizes, { layout: layout as 'query-head', granularity, bias: bias.inputs });
    return once;
  };

  /** Norm of a head and gate, whichever there are, in their order. */
  function normAndGate<A extends KeyAxes | QueryAxes>(y: Tensor<A>, name: string, gates: Within<A> | undefined) {
    const gated = (value: Tensor<A>) => (gates ? applyGate(value, gates, combine) : value);
    if (!headNorms) return gated(y);
    const { offset = 0 } = headNorms;
    const norm = (value: Tensor<A>) => rmsNorm(value, 'D' as A, at(`self_attn.${name}`), { epsilon, offset });
    return order === 'after-head-norms' ? gated(norm(y)) : norm(gated(y));
  }

  /** What stands between a head's output and the output projection. */
  function fromHead(z: Queries, hook: AttentionTap): Queries {
    if (alone === 'silu') return silu(z);
    if (alone === 'rms-norm') return headNorm(z, at('self_attn.head_norm'), sizes, { epsilon, scale: 'shared' });
    if (position !== 'sdpa-output') return z;
    const gates = packs ? gateOf(packed().scores, settings) : perQuery();
    // What is added is no gate on what the head gives out.
    return applyGate(z, combine === 'additive' ? gates : tapGate(gates, z, hook), combine);
  }

  const output = (hook: AttentionTap) => (z: Queries) => {
    const y = plain.output(fromHead(z, hook));
    return position === 'dense-output' ? applyGate(y, gate({ M }) as Within<'B' | 'T' | 'M'>, combine) : y;
  };

  return attention({
    q: packs ? () => packed().q : plain.q,
    k: plain.k,
    v: position === 'value' ? (stream) => applyGate(plain.v(stream), perKey(), combine) : plain.v,
    headNorms: {
      q: (q) => normAndGate(q, 'q_norm', position === 'query' ? perQuery() : undefined),
      k: (k) => normAndGate(k, 'k_norm', position === 'key' ? perKey() : undefined),
    },
    ...place,
    steps: (given) => stepsWith(output(given.hook), given),
  });
}
