import { InputError } from '../../error.ts';
import { linear } from '../../layers/linear.ts';
import {
  add,
  cast,
  concat,
  divide,
  equal,
  expand,
  log,
  multiply,
  pick,
  silu,
  type Tensor,
  type Within,
  weight,
} from '../../tensor/index.ts';
import { kernels } from '../normalisers/kernels.ts';
import { type PriorLayout, priorFrequencies } from './goat-layout.ts';

/** The part u(j) that depends on the key alone: sinks and recency. */
export interface SinkPart {
  /** Frequencies of the features of j. Default 4, on a grid 8. */
  readonly rank?: number;
  /** Default 10 000. */
  readonly base?: number;
  /** Fixed factor on u. Default 1. */
  readonly scale?: number;
  /** Standard deviation of the perceptron's initial weights. Default 0.001. */
  readonly deviation?: number;
}

/** Hidden width of the perceptron behind u. */
const hidden = 4;

/**
 * u(j) = scale · (gain_g · MLP(φ(j)) + bump_g · [j = 0] + softplus(ρ_g) · j), [..., G], the last term only where the layout has recency.
 * φ(j): waves of the place of j, j / D and ln(1 + j) / ln(1 + D), D the length of training.
 *
 * @param positions index of each key (int64)
 */
export function keyPrior(
  at: (name: string) => string,
  { G, context }: { readonly G: number; readonly context: number },
  layout: PriorLayout,
  { rank = 4, base, scale = 1 }: SinkPart,
  positions: Within<string>,
): Tensor<string> {
  const own = (name: string) => weight(at(`self_attn.${name}`), { G }) as Tensor<string>;
  const j = cast(positions as Tensor<string>, 'float32');
  const column = (x: Tensor<string>) => expand(x, { I: 1 }) as Tensor<string>;
  const far = [column(divide(j, context)), column(divide(log(add(j, 1)), Math.log1p(context)))];
  const waves = rank === 0 ? undefined : layout.waves(positions, priorFrequencies(rank, base));
  const phi = concat(waves ? [waves.cosine, waves.sine, ...far] : far, 'I');
  const from = { I: 2 * rank + 2 };
  const inner = silu(linear(phi, at('self_attn.key_bias.fc1'), { F: hidden }, from, { bias: true }));
  const shared = pick(linear(inner, at('self_attn.key_bias.fc2'), { J: 1 }, { F: hidden }, { bias: true }), 'J', 0);
  const first = cast(equal(positions as Tensor<string>, 0), 'float32');
  const terms = [
    multiply(own('sink_gain'), shared as Tensor<string>),
    multiply(own('sink_bump'), first),
    // Rising in j is falling in i − j, up to a constant of the row.
    ...(layout.recency ? [multiply(kernels.softplus(own('recency_slope_raw')), j)] : []),
  ];
  const u = terms.reduce((a, b) => add(a, b));
  return scale === 1 ? u : multiply(u, scale);
}

/** Throws an InputError for options out of range. */
export function checkSinkPart({ base = 1, scale = 1 }: SinkPart): void {
  if (!(base > 0 && base < Number.POSITIVE_INFINITY))
    throw new InputError(`GOAT: expected sink.base to be a positive number, got ${base}`);
  if (!Number.isFinite(scale)) throw new InputError(`GOAT: expected sink.scale to be a finite number, got ${scale}`);
}
