import type { ActivationName } from '../../layers/activations.ts';
import { linear } from '../../layers/linear.ts';
import type { ConfigReader } from '../../load/config.ts';
import { multiply, pick, sigmoid } from '../../tensor/index.ts';
import type { DecoderSizes } from '../decoder.ts';
import type { Mlp } from './mlp.ts';
import { expert, expertNames, routedExperts, softmaxShares } from './routed-experts.ts';

/** Values where the file has none. */
export interface QwenExpertsDefaults {
  readonly chosen: number;
  /** Do the shares of the chosen experts sum to one? */
  readonly normed: boolean;
  /** Is there an expert that every token uses, with a gate? Default false. */
  readonly shared?: boolean;
}

/** Number of experts, which files call `num_experts` or `num_local_experts`. */
export function readExpertCount(c: ConfigReader, fallback: number): number {
  const range = { min: 1, max: 4096, default: undefined };
  const [one, other] = [c.int('num_experts', range), c.int('num_local_experts', range)];
  if (one !== undefined && other !== undefined && one !== other)
    throw c.error('num_local_experts', `${one} like its other spelling num_experts`);
  return one ?? other ?? fallback;
}

/**
 * Experts of Qwen's mixtures by layer, undefined for the layers with a plain feed-forward part: those of `mlp_only_layers`, and where the
 * layer's number, from 1, is no multiple of `decoder_sparse_step`.
 */
export function readQwenExperts(
  c: ConfigReader,
  { M, L }: DecoderSizes,
  activation: ActivationName,
  { chosen: most, normed: scaled, shared = false }: QwenExpertsDefaults,
): (layer: number, at: (name: string) => string) => Mlp | undefined {
  const width = { min: 1, max: 1 << 22 };
  const E = readExpertCount(c, shared ? 512 : 128);
  const chosen = c.int('num_experts_per_tok', { min: 1, max: E, default: Math.min(most, E) });
  const F = c.int('moe_intermediate_size', width);
  const sharedF = shared ? c.int('shared_expert_intermediate_size', width) : 0;
  const normed = c.bool('norm_topk_prob', { default: scaled });
  const step = c.int('decoder_sparse_step', { min: 1, default: 1 });
  const plain = c.ints('mlp_only_layers', { max: L - 1, default: [] as number[] });
  return (layer, at) => {
    if (plain.includes(layer) || (layer + 1) % step !== 0) return undefined;
    const always: Parameters<typeof routedExperts>[0]['shared'] = (x) => {
      const gate = sigmoid(linear(x, at('mlp.shared_expert_gate'), { E: 1 }, { M }));
      return multiply(
        expert(x, expertNames(at('mlp.shared_expert')), { F: sharedF, M }, activation),
        pick(gate, 'E', 0),
      );
    };
    return routedExperts({
      ...{ M, F, E, activation, router: at('mlp.gate') },
      expert: (index) => expertNames(at(`mlp.experts.${index}`)),
      shares: softmaxShares(chosen, normed),
      ...(shared ? { shared: always } : {}),
    });
  };
}
