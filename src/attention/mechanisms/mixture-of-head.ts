/**
 * Mixture-of-head attention (MoH), 2410.11842: a router decides for each token which heads contribute and how much; some heads are always on.
 *
 * y[t] = Σ_i g_i(x[t]) · H_i[t] · W_O,i, over the heads; shared heads g = 2 α₁ · h_s · softmax(W_s x), the K routed heads of largest W_r x
 * g = 2 α₂ · K · softmax renormalised over them, the rest 0, with [α₁, α₂] = softmax(W_h x).
 *
 * Shapes: W_s [h_s, M] (`wg_1`), W_r [H − h_s, M] (`wg`), W_h [2, M] (`wg_0`); gates [B, T, G, R], shown as `attn.hook_gate`.
 *
 * Caveat: the factors h_s, K and 2 and the renormalisation are the released code's; without them outputs shrink to about 1/H. Keys and
 * values are made and kept for all heads, and switched-off heads are computed and multiplied by zero: the part of operations that could be
 * saved (`usedShare`) is counted, not gained. Padding tokens count in the load-balance loss.
 */
import { InputError } from '../../error.ts';
import { multiply } from '../../tensor/index.ts';
import { tapGate } from '../gates/gate.ts';
import { layerWithSteps } from '../layer-with-steps.ts';
import type { Mechanism, MechanismFile, MechanismSite } from '../mechanism.ts';
import { softmaxSteps } from '../normalisers/softmax.ts';
import { type HeadBudget, resolveBudget } from '../selection/head-budget.ts';
import { type HeadChoice, loadBalance } from '../selection/head-choice.ts';
import { learnedGates, queryNormGates, type RoutedGates } from '../selection/head-router.ts';

interface CommonOptions {
  /** Which heads are always on and how many others a token uses, the same in all layers or for each. Default: half the heads and a quarter. */
  readonly budget?: HeadBudget | ((layer: number, layers: number) => HeadBudget);
  /** By what the routed heads are chosen; `bottom` and `noise` are controls. Default `top`. */
  readonly choice?: HeadChoice;
  /**
   * Load-balance loss: its weight β, at least 0, on the mean over the layers, and its scale. Default weight 0.01, scale `code`: the number of
   * routed heads times the paper's.
   */
  readonly balance?: { readonly weight?: number; readonly scale?: 'paper' | 'code' };
}

export type MixtureOfHeadOptions = CommonOptions &
  (
    | {
        /** Default. */
        readonly router?: 'learned';
        /** Weigh shared against routed heads by α. Default true. */
        readonly twoStage?: boolean;
      }
    | {
        /** Without parameters: by the norms of the queries, gates 0 and 1, to go on training a model that was trained without MoH. */
        readonly router: 'query-norm';
      }
  );

const threeQuarters: HeadBudget = { sharedShare: 0.5, activeShare: 0.25 };

/** Throws an InputError for a budget that the layer's heads do not allow. */
export function mixtureOfHead(options: MixtureOfHeadOptions = {}): Mechanism {
  const { budget = threeQuarters, choice = 'top', balance = {} } = options;
  const { weight = 0.01, scale = 'code' } = balance;
  if (!(weight >= 0 && weight < Number.POSITIVE_INFINITY))
    throw new InputError(`mixture of heads: balance.weight must be a number of at least 0, got ${weight}`);

  return {
    name: nameOf(options),
    source: '2410.11842',
    rows: 'one',
    attention(site: MechanismSite) {
      const { at, sizes, layer, layers, training } = site;
      const heads = resolveBudget(typeof budget === 'function' ? budget(layer, layers) : budget, sizes.H);
      return layerWithSteps(site, (plain, given) => {
        const routed: RoutedGates =
          options.router === 'query-norm'
            ? queryNormGates(given, sizes, heads, { choice, layer })
            : learnedGates(given, at, sizes, heads, { choice, layer, twoStage: options.twoStage ?? true });
        if (routed.load && weight > 0) training?.loss(multiply(loadBalance(routed.load, scale), weight / layers));
        const output: typeof plain.output = (z) => plain.output(multiply(z, tapGate(routed.gate, z, given.hook)));
        return softmaxSteps({ ...plain, output });
      });
    },
  };
}

function nameOf(options: MixtureOfHeadOptions): string {
  const { budget = threeQuarters, choice = 'top', router = 'learned' } = options;
  const percent = (share: number) => `${+(100 * share).toFixed(1)} %`;
  const shared = (heads: number | readonly number[]) => (typeof heads === 'number' ? `${heads}` : `[${heads}]`);
  const heads =
    typeof budget === 'function'
      ? 'heads by layer'
      : 'sharedShare' in budget
        ? `${percent(budget.sharedShare)} shared, ${percent(budget.activeShare)} routed`
        : `${shared(budget.shared)} shared, ${budget.active} routed`;
  const oneStage = 'twoStage' in options && options.twoStage === false;
  const details = [
    ...(router === 'query-norm' ? ['by query norms'] : []),
    ...(choice === 'top' ? [] : [choice === 'noise' ? 'chosen by noise' : 'the lowest chosen']),
    ...(oneStage ? ['one stage'] : []),
    ...(options.balance?.weight === 0 ? ['no balance loss'] : []),
  ];
  return `mixture-of-head: ${[heads, ...details].join(', ')}`;
}

export const mechanismFile: MechanismFile = {
  card: 'mixture-of-head',
  title: 'Mixture-of-head attention',
  source: '2410.11842',
  idea: 'A router picks for each token the heads that contribute, so a head with nothing to say can be off instead of parking its attention.',
  equation: 'y = Σ_i g_i(x) · head_i · W_O,i, with g_i = 0 for routed heads outside the top K',
  example: 'mixtureOfHead({ budget: { sharedShare: 0.25, activeShare: 0.25 } })',
  citations: [
    {
      authors: 'Peng Jin, Bo Zhu, Li Yuan, Shuicheng Yan',
      title: 'MoH: Multi-Head Attention as Mixture-of-Head Attention',
      year: 2024,
      arxiv: '2410.11842',
    },
  ],
  variants: [
    { mechanism: () => mixtureOfHead(), sink: 'open' },
    { mechanism: () => mixtureOfHead({ budget: { sharedShare: 0.25, activeShare: 0.25 } }), sink: 'open' },
    { mechanism: () => mixtureOfHead({ twoStage: false }), sink: 'open' },
    { mechanism: () => mixtureOfHead({ budget: { sharedShare: 0, activeShare: 0.75 } }), sink: 'open' },
    { mechanism: () => mixtureOfHead({ balance: { weight: 0 } }), sink: 'open' },
    {
      mechanism: () => mixtureOfHead({ router: 'query-norm', budget: { sharedShare: 0.5, activeShare: 0.25 } }),
      sink: 'open',
      except: { gradient: 'gates are steps whose gradient is that of a softmax (straight-through)' },
    },
    // The control: as many heads, chosen by nothing.
    { mechanism: () => mixtureOfHead({ choice: 'noise' }), sink: 'keeps' },
  ],
};
