import { InputError } from '../../error.ts';
import { linear } from '../../layers/linear.ts';
import {
  add,
  cast,
  Dim,
  divide,
  dot,
  multiply,
  relu,
  rename,
  sigmoid,
  split,
  sum,
  type Tensor,
  type Within,
  weight,
} from '../../tensor/index.ts';
import { cachedDecoding, type DecodingLayer, type DecodingState } from '../decoding.ts';
import type { AttentionLayer } from '../layer.ts';
import { layerWithSteps } from '../layer-with-steps.ts';
import type { Mechanism, MechanismSite } from '../mechanism.ts';
import { softmaxSteps } from '../normalisers/softmax.ts';
import { causalMask } from '../places.ts';
import type { AttentionGiven, AttentionSteps, Stream } from '../steps.ts';
import { applyGate, tapGate } from './gate.ts';

/**
 * What decides how far a head is open.
 * - `slice`: a linear function of the head's slice of the layer's input, M/H numbers
 * - `slice mlp`: a perceptron of the slice with M/4H hidden ReLU units, at least one
 * - `all features`: a linear function of the whole input
 * - `head`: nothing, one learned number
 * - `slice, mean so far`: the mean of `slice` over the tokens seen so far. The paper's encoders take it over the whole text.
 */
export type HeadGateFrom = 'slice' | 'slice mlp' | 'all features' | 'head' | 'slice, mean so far';

export interface HeadSliceGateOptions {
  /** Default `slice`. */
  readonly from?: HeadGateFrom;
  /** π: how far gates are open at the start, between 0 and 1. Default 0.25. */
  readonly open?: number;
  /** For a model trained without gates: gates are divided by π and start with weights from N(0, 0.001²), so all are about one. Default false. */
  readonly fineTuning?: boolean;
}

type Logits = Within<'B' | 'T' | 'G' | 'R'>;

/**
 * Softmax attention whose heads each have a gate for each token, o_h = σ(G_h(x_h)) Σ w_j v_j, of "Quantizable Transformers" (2306.12929).
 * Stored as the released code's `alpha` with the heads along the first axes: `self_attn.alpha.weight` [G, R, M/H] or [G, R, M] and
 * `alpha.bias` [G, R]; of the perceptron `alpha.0` and `alpha.2`; of one number a head `alpha` [G, R]. Biases start at logit π, those of
 * hidden units at 0.
 */
export function headSliceGate(options: HeadSliceGateOptions = {}): Mechanism {
  const { from = 'slice', open = 0.25, fineTuning = false } = options;
  if (!(open > 0 && open < 1)) throw new InputError(`head slice gate: open must lie between 0 and 1, got ${open}`);
  const factor = fineTuning ? 1 / open : 1;
  const layer = (site: MechanismSite, pool: (logits: Logits, given: AttentionGiven) => Logits) =>
    layerWithSteps(site, (softmax, given): AttentionSteps => {
      const gate = sigmoid(pool(gateLogits(site, from, given.x), given) as Tensor<'B'>);
      const scaled = factor === 1 ? gate : multiply(gate, factor);
      const gated: AttentionSteps['output'] = (z) =>
        softmax.output(applyGate(z, tapGate(scaled, z, given.hook), 'multiplicative'));
      return softmaxSteps({ ...softmax, output: gated });
    });
  const pooled = from === 'slice, mean so far';
  return {
    name: `gate by head, ${from}${fineTuning ? ', fine-tuning' : ''}`,
    source: '2306.12929',
    rows: 'one',
    attention: (site) => layer(site, pooled ? meanSoFar : (logits) => logits),
    ...(pooled ? { decoding: (site: MechanismSite) => meanDecoding(site, layer) } : {}),
    initial(name, shape, random) {
      const values = (of: () => number) => Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, of);
      if (/\.alpha(\.2)?(\.bias)?$/.test(name)) return values(() => Math.log(open / (1 - open)));
      if (/\.alpha\.0\.bias$/.test(name)) return values(() => 0);
      if (fineTuning && /\.alpha(\.2)?\.weight$/.test(name)) return values(() => 0.001 * random());
      return undefined;
    },
  };
}

function gateLogits({ at, sizes: { H, G, M } }: MechanismSite, from: HeadGateFrom, x: Stream): Logits {
  const heads = { G, R: H / G };
  const named = (name: string) => at(`self_attn.${name}`);
  if (from === 'head') return weight(named('alpha'), heads);
  if (from === 'all features') return linear(x, named('alpha'), heads, { M }, { bias: true });
  const width = M / H;
  if (!Number.isSafeInteger(width))
    throw new InputError(
      `head slice gate: from '${from}' cuts the width M = ${M} into H = ${H} slices; M must be a multiple`,
    );
  const mine = split(x, 'M', { ...heads, I: width });
  if (from !== 'slice mlp') return ownLinear(mine, named('alpha'), heads, width);
  const hidden = Math.max(1, Math.floor(width / 4));
  const first = weight(named('alpha.0.weight'), { ...heads, F: hidden, I: width });
  const units = relu(add(dot(mine, first, 'I'), weight(named('alpha.0.bias'), { ...heads, F: hidden }) as never));
  return ownLinear(rename(units as Tensor<'B' | 'T' | 'G' | 'R' | 'F'>, 'F', 'I'), named('alpha.2'), heads, hidden);
}

/** A linear function to one number with weights of its own for each head. */
function ownLinear(
  x: Tensor<'B' | 'T' | 'G' | 'R' | 'I'>,
  name: string,
  heads: { readonly G: number; readonly R: number },
  width: number,
): Tensor<'B' | 'T' | 'G' | 'R'> {
  const weights = weight(`${name}.weight`, { ...heads, I: width });
  return add(dot(x, weights, 'I'), weight(`${name}.bias`, heads) as Within<'G' | 'R'>);
}

/** Mean over the tokens that the query may see: the queries must be all tokens of the text. */
function meanSoFar(logits: Logits, { places }: AttentionGiven): Logits {
  const seen = cast(causalMask(places) as Tensor<'T' | 'S'>, 'float32');
  const shares = divide(seen, sum(seen, 'S') as Within<'T'>);
  return dot(shares, rename(logits as Tensor<'B' | 'T' | 'G' | 'R'>, 'T', 'S'), 'S');
}

/** A cache of keys and values and the sum of the gates' logits so far [B, G, R]. */
function meanDecoding(
  site: MechanismSite,
  layer: (site: MechanismSite, pool: (logits: Logits) => Logits) => AttentionLayer,
): DecodingLayer {
  const { H, G, D } = site.sizes;
  const B = Dim.of('B');
  return {
    state: (past) => ({ k: { B, S: past, G, D }, v: { B, S: past, G, D }, gates: { B, G, R: H / G } }),
    step(x, { gates, ...cache }, past, hook) {
      let total = gates as Tensor<'B' | 'G' | 'R'>;
      const count = add(cast(past.index, 'float32'), 1);
      const running = layer(site, (logits) => {
        const all = add(logits as Tensor<'B' | 'T' | 'G' | 'R'>, total as Within<'B' | 'G' | 'R'>);
        total = sum(all, 'T');
        return divide(all, count);
      });
      const { output, state } = cachedDecoding(running, { G, D }).step(x, cache, past, hook);
      return { output, state: { ...state, gates: total } as unknown as DecodingState };
    },
  };
}
