import { InputError } from '../error.ts';
import {
  add,
  Dim,
  divide,
  dot,
  equal,
  exp,
  expand,
  iota,
  maximum,
  multiply,
  pad,
  rename,
  select,
  silu,
  size,
  slice,
  subtract,
  sum,
  type Tensor,
} from '../tensor/index.ts';
import { cachedDecoding, type DecodingLayer } from './decoding.ts';
import type { AttentionLayer } from './layer.ts';
import type { Mechanism, MechanismSite } from './mechanism.ts';
import { softmaxSteps } from './normalisers/softmax.ts';
import { projections } from './projections.ts';
import type { Keys, Queries } from './steps.ts';

/**
 * Attention without a query, 2510.11602 ("Non-approximate"): each token has one number a head, s_j = Σ_d SiLU(q_j)_d k_jd / √D, both from
 * the token itself, and w_ij = e^{s_j} / Σ_{j' ≤ i} e^{s_j'}: all later queries weigh two keys in the same proportion. RoPE would turn both
 * sides alike, so it is left out without a difference. A token's memory is a vector and two numbers a head.
 *
 * The cached keys hold s of the R heads of a group in their first channels. Throws an InputError for a position bias, and where a group has
 * more heads than channels.
 */
export function queryIndependentAttention(): Mechanism {
  return {
    name: 'query-independent softmax',
    source: '2510.11602',
    rows: 'one',
    attention: queryIndependentLayer,
    decoding: recurrence,
  };
}

function queryIndependentLayer({ at, sizes, position, window }: MechanismSite): AttentionLayer {
  const { H, G, D } = sizes;
  const R = H / G;
  if (position.bias)
    throw new InputError(
      'query-independent softmax: position.bias is given, but its scores know no query; use RoPE, which changes nothing, or positions in the stream',
    );
  if (R > D)
    throw new InputError(
      `query-independent softmax: ${R} query heads on one key/value head need ${R} channels, a head has ${D}`,
    );
  const { output, ...project } = projections(at, sizes, { inputs: false, output: false });
  const steps = softmaxSteps({ scale: D ** -0.5, window, output });
  return {
    keysAndValues(x, _, hook) {
      // Queries of the tokens that are keys.
      const q = rename(hook('attn.q.hook_out', project.q(rename(x, 'S', 'T'))), 'T', 'S');
      const k = hook('attn.k.hook_out', project.k(x));
      const s = dot(multiply(silu(q), D ** -0.5), k, 'D');
      const channels: Keys = pad(rename(s, 'R', 'D'), 'D', 0, D - R);
      return { k: hook('attn.hook_rot_k', channels), v: hook('attn.v.hook_out', project.v(x)) };
    },
    attend(x, { k, v }, places, hook) {
      const s = expand(rename(slice(k, 'D', 0, R), 'D', 'R'), { T: size(x, 'T') });
      const { pattern } = steps.normalise(steps.mask(hook('attn.hook_attn_scores', s), places));
      const mixed = steps.mix(hook('attn.hook_pattern', pattern), v);
      return hook('attn.hook_out', output(hook('attn.hook_z', mixed)));
    },
  };
}

/** Per head the largest s so far, Σ e^{s − largest} and Σ e^{s − largest} v. */
function recurrence(site: MechanismSite): DecodingLayer {
  const { at, sizes, window } = site;
  const { H, G, D } = sizes;
  const R = H / G;
  const layer = queryIndependentLayer(site);
  // What has left a window cannot be taken out of sums without having been kept.
  if (window !== undefined) return cachedDecoding(layer, sizes);
  const { output } = projections(at, sizes, { inputs: false, output: false });
  const B = Dim.of('B');
  return {
    state: () => ({ largest: { B, G, R }, total: { B, G, R }, mixed: { B, G, R, D } }),
    step(x, state, past, hook) {
      const here = add(iota('T', 1), past.index);
      const own = rename(here, 'T', 'S');
      const places = { queries: here, keys: own, queryPositions: here, keyPositions: own };
      const { k, v } = layer.keysAndValues(rename(x, 'T', 'S'), places, hook);
      const s = sum(rename(slice(k, 'D', 0, R), 'D', 'R'), 'S') as Tensor<string>;
      const before = select(equal(past.index, 0), s, state.largest!);
      const largest = maximum(before, s);
      const [old, now] = [exp(subtract(before, largest)), exp(subtract(s, largest))];
      const total = add(multiply(state.total!, old), now);
      const value = sum(v, 'S') as Tensor<string>;
      const mixed = add(multiply(state.mixed!, old), multiply(now, value));
      const z = expand(divide(mixed, total), { T: 1 }) as unknown as Queries;
      return {
        output: hook('attn.hook_out', output(hook('attn.hook_z', z))),
        state: { largest, total, mixed },
      };
    },
  };
}
