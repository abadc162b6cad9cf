import { seededRandom, seedFor } from '../../random.ts';
import {
  add,
  cast,
  constant,
  expand,
  mean,
  multiply,
  negate,
  remainder,
  sizes,
  sum,
  type Tensor,
  topMask,
} from '../../tensor/index.ts';

/** One number for each token and routed head. */
export type HeadScores = Tensor<'B' | 'T' | 'head'>;

/**
 * Which routed heads a token uses: those of the largest scores; for controls those of the smallest, or of numbers drawn for the place of the
 * token and the head.
 */
export type HeadChoice = 'top' | 'bottom' | 'noise';

/** 1 at the `count` heads chosen for each token, 0 elsewhere. Among equal scores the lowest index: ONNX's TopK says so, and a test holds it to it. */
export function chooseHeads(
  scores: HeadScores,
  count: number,
  choice: HeadChoice,
  noise: { readonly queries: Tensor<'T'>; readonly layer: number },
): HeadScores {
  const by = {
    top: () => scores,
    bottom: () => negate(scores),
    noise: () => {
      const drawn = placeNoise(noise.queries, sizes(scores).get('head')!.evaluate({}), noise.layer);
      return expand(drawn, { B: sizes(scores).get('B')! });
    },
  }[choice]();
  return cast(topMask(by, 'head', count), 'float32');
}

/** The largest prime below 2²⁶: squares of smaller numbers are exact in double precision. */
const prime = 67_108_859;

/** Numbers in [0, 1) that look random, the same for the same place, head and layer everywhere: two rounds of squaring modulo a prime. */
function placeNoise(queries: Tensor<'T'>, heads: number, layer: number): Tensor<'T' | 'head'> {
  const random = seededRandom(seedFor(0, 'heads by noise', layer));
  const draw = () =>
    constant(
      Array.from({ length: heads }, () => Math.floor(random() * prime)),
      { head: heads },
      'float64',
    );
  const place = remainder(cast(queries, 'float64'), prime);
  const start = remainder(add(multiply(expand(place, { head: heads }), draw()), draw()), prime);
  const once = remainder(add(multiply(start, start), draw()), prime);
  const mixed = remainder(multiply(once, once), prime);
  return multiply(cast(mixed, 'float32'), 1 / prime);
}

/** P_h, mean share of a routed head, and f_h, share of the tokens that use it; no gradient flows through f. */
export interface HeadLoad {
  readonly probability: Tensor<'head'>;
  readonly chosen: Tensor<'head'>;
}

export function headLoad(probability: HeadScores, chosen: HeadScores): HeadLoad {
  return { probability: mean(probability, ['B', 'T']), chosen: mean(chosen, ['B', 'T']) };
}

/**
 * Load-balance loss of one layer. `paper`: Σ_h P_h f_h, K / E when all E routed heads are used alike. `code`: the released mean_h(P_h f_h) · E²,
 * E times that.
 */
export function loadBalance({ probability, chosen }: HeadLoad, scale: 'paper' | 'code'): Tensor<never> {
  const paper = sum(multiply(probability, chosen), 'head');
  return scale === 'paper' ? paper : multiply(paper, sizes(chosen).get('head')!.evaluate({}));
}
