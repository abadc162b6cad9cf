import { InputError } from '../../error.ts';
import {
  add,
  cast,
  Dim,
  divide,
  dot,
  iota,
  multiply,
  pick,
  rename,
  select,
  sum,
  type Tensor,
} from '../../tensor/index.ts';
import { cachedDecoding, type DecodingLayer } from '../decoding.ts';
import { layerWithSteps } from '../layer-with-steps.ts';
import type { Mechanism, MechanismSite } from '../mechanism.ts';
import { causalMask } from '../places.ts';
import { rotate } from '../positions/rope.ts';
import { projections } from '../projections.ts';
import type { Queries, Scores } from '../steps.ts';
import { kernelSteps } from './kernels.ts';

export interface TaylorOptions {
  /**
   * x² as Σ_d (q_d k_d / √D)² instead of (q·k / √D)²: then a token's memory is two D × D matrices a head, which is what the paper's table of
   * memory counts. These weights can be negative, and where x is near −1 their sum can come near zero. Default false.
   */
  readonly diagonalSquare?: boolean;
}

const perRow = (all: Scores): Scores => divide(all, sum(all, 'S') as never) as Scores;

/**
 * e^x to second order, 2510.11602 ("Approximate"): w_j = (1 + x_j + x_j²/2) / Σ_k (1 + x_k + x_k²/2), x = q·k / √D after RoPE. Whole squares
 * keep every weight positive: 1 + x + x²/2 ≥ 1/2. The three orders are normalised together; the paper's appendix writes them apart.
 * Throws an InputError for a position bias, which is made for exponents.
 */
export function taylorAttention({ diagonalSquare = false }: TaylorOptions = {}): Mechanism {
  return {
    name: diagonalSquare ? 'second-order softmax, diagonal square' : 'second-order softmax',
    source: '2510.11602',
    // Signed weights that sum to one are no shares.
    rows: diagonalSquare ? 'any' : 'one',
    attention: (site) => taylorLayer(site, diagonalSquare),
    ...(diagonalSquare ? { decoding: diagonalDecoding } : {}),
  };
}

function taylorLayer(site: MechanismSite, diagonalSquare: boolean) {
  if (site.position.bias)
    throw new InputError(
      'second-order softmax: position.bias is given, but biases are added to exponents; use RoPE or positions in the stream',
    );
  return layerWithSteps(site, (options, { q, k }) => {
    const steps = kernelSteps({
      ...options,
      kernel: (x) => add(add(multiply(multiply(x, x), 0.5), x), 1),
      normalise: perRow,
    });
    if (!diagonalSquare) return steps;
    const scaled = multiply(q, options.scale);
    const square = dot(multiply(scaled, scaled), multiply(k, k), 'D');
    return {
      ...steps,
      mask: (x, places) =>
        select(causalMask(places, options.window) as never, add(add(multiply(square, 0.5), x), 1), 0),
    };
  });
}

/** Sums over the tokens so far: Σ v, Σ k ⊗ v, Σ k² ⊗ v, Σ k, Σ k², squares by element; I are the channels of keys. */
function diagonalDecoding(site: MechanismSite): DecodingLayer {
  const {
    at,
    sizes,
    position: { rotary },
    window,
  } = site;
  const { G, D } = sizes;
  const B = Dim.of('B');
  const layer = taylorLayer(site, true);
  // What has left a window cannot be taken out of sums without having been kept.
  if (window !== undefined) return cachedDecoding(layer, sizes);
  const project = projections(at, sizes, { inputs: false, output: false });
  return {
    state: () => ({
      v: { B, G, D },
      kv: { B, G, I: D, D },
      kkv: { B, G, I: D, D },
      k: { B, G, I: D },
      kk: { B, G, I: D },
    }),
    step(x, state, past, hook) {
      const here = add(iota('T', 1), past.index);
      const own = rename(here, 'T', 'S');
      const places = { queries: here, keys: own, queryPositions: here, keyPositions: own };
      const fresh = layer.keysAndValues(rename(x, 'T', 'S'), places, hook);
      const k = rename(pick(fresh.k, 'S', 0), 'D', 'I');
      const v = pick(fresh.v, 'S', 0);
      const kk = multiply(k, k);
      const kept = (name: string, now: Tensor<never>) => add(state[name]!, now as unknown as Tensor<string>);
      const next = {
        v: kept('v', v as never),
        kv: kept('kv', multiply(k, v) as never),
        kkv: kept('kkv', multiply(kk, v) as never),
        k: kept('k', k as never),
        kk: kept('kk', kk as never),
      };
      const query = hook('attn.q.hook_out', project.q(x));
      const turned = hook('attn.hook_rot_q', rotary ? rotate(query, here, rotary) : query);
      const q = rename(multiply(turned, D ** -0.5), 'D', 'I') as Tensor<string>;
      const half = multiply(multiply(q, q), 0.5);
      const orders = (zeroth: Tensor<string>, first: Tensor<string>, second: Tensor<string>) =>
        add(zeroth, add(dot(q, first, 'I'), dot(half, second, 'I')));
      const tokens = cast(add(past.index, 1), 'float32') as unknown as Tensor<string>;
      const mixed = divide(orders(next.v, next.kv, next.kkv), orders(tokens, next.k, next.kk)) as unknown as Queries;
      return { output: hook('attn.hook_out', project.output(hook('attn.hook_z', mixed))), state: next };
    },
  };
}
