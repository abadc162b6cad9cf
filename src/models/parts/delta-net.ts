import { depthwise, withPast } from '../../attention/convolutions/causal-convolution.ts';
import type { AttentionLayer } from '../../attention/layer.ts';
import type { Places } from '../../attention/places.ts';
import { gatedDelta, softplus, unitLength } from '../../attention/recurrent/gated-delta.ts';
import type { Keys, Queries } from '../../attention/steps.ts';
import { expectWholeText } from '../../attention/whole-text.ts';
import { linear } from '../../layers/linear.ts';
import { rmsNorm } from '../../layers/norms.ts';
import {
  add,
  exp,
  expand,
  merge,
  multiply,
  negate,
  pick,
  rename,
  select,
  sigmoid,
  silu,
  slice,
  split,
  type Tensor,
  weight,
} from '../../tensor/index.ts';

export interface DeltaNetSizes {
  readonly M: number;
  /** Heads of queries and keys, and of values: a multiple. */
  readonly keyHeads: number;
  readonly valueHeads: number;
  readonly keyWidth: number;
  readonly valueWidth: number;
  /** Tokens that the convolution sees, itself included. */
  readonly taps: number;
}

export interface DeltaNetOptions {
  /** Full name of a weight of the layer. */
  readonly at: (name: string) => string;
  readonly sizes: DeltaNetSizes;
  readonly epsilon: number;
  /** Order of the projections: all parts of one key head together (Qwen3-Next), or part after part (Qwen3.5). */
  readonly packed: 'by-head' | 'by-part';
}

type Time = 'T' | 'S';
type Heads = Tensor<'B' | Time | 'G' | 'D'>;
type Numbers = Tensor<'B' | Time | 'G'>;

/**
 * Linear layers of Qwen3-Next and Qwen3.5 (Gated DeltaNet, 2412.06464): queries, keys and values through a short convolution and SiLU, the gated
 * delta rule over unit queries and keys, an RMSNorm of each head, and a gate. There is no pattern: a state is read, not keys.
 */
export function deltaNet({ at, sizes, epsilon, packed }: DeltaNetOptions): AttentionLayer {
  const { M, keyHeads: N, valueHeads, keyWidth, valueWidth, taps } = sizes;
  const R = valueHeads / N;
  const filters = weight(at('linear_attn.conv1d.weight'), { C: 2 * N * keyWidth + valueHeads * valueWidth, tap: taps });
  const { parts, rates } = packed === 'by-head' ? byHead() : byPart();

  /** Each key head for the R value heads that it serves. */
  const repeated = (x: Tensor<'N' | 'D'>) => merge(expand(x, { R }), ['N', 'R'], 'G') as unknown as Heads;
  /** Channels `from` on of the convolution, which sees the last `taps` tokens. */
  function convolved(x: Tensor<string>, time: Time, from: number, heads: { readonly [axis: string]: number }) {
    const channels = Object.values(heads).reduce((a, b) => a * b, 1);
    const filter = split(slice(filters, 'C', from, from + channels), 'C', heads as { G: number; D: number });
    return silu(depthwise(withPast(x, time, taps - 1), time, filter as never)) as unknown as Tensor<'N' | 'D'>;
  }
  const queriesOf = (x: Tensor<string>, time: Time) => convolved(parts(x).q, time, 0, { N, D: keyWidth });
  const keysOf = (x: Tensor<string>, time: Time) => convolved(parts(x).k, time, N * keyWidth, { N, D: keyWidth });
  const valuesOf = (x: Tensor<string>, time: Time) =>
    convolved(parts(x).v, time, 2 * N * keyWidth, { G: valueHeads, D: valueWidth });

  return {
    keysAndValues(given, { keyIsReal }, hook) {
      const x = (keyIsReal ? select(keyIsReal, given, 0) : given) as unknown as Tensor<string>;
      const key = hook('attn.k.hook_out', repeated(keysOf(x, 'S')) as unknown as Keys);
      const v = hook('attn.v.hook_out', valuesOf(x, 'S') as unknown as Keys);
      return { k: hook('attn.hook_rot_k', unitLength(key)), v };
    },
    attend(given, { k, v }, places: Places, hook) {
      expectWholeText('gated delta net', places);
      const real = places.keyIsReal && rename(places.keyIsReal, 'S', 'T');
      const stream = real ? select(real, given, 0) : given;
      const x = stream as unknown as Tensor<string>;
      const query = hook('attn.q.hook_out', expand(repeated(queriesOf(x, 'T')), { R: 1 }) as unknown as Queries);
      const turned = hook('attn.hook_rot_q', multiply(unitLength(query), keyWidth ** -0.5));
      const { overwritten, time } = rates(x);
      const step = softplus(add(time, weight(at('linear_attn.dt_bias'), { G: valueHeads }) as never));
      const speed = exp(weight(at('linear_attn.A_log'), { G: valueHeads }));
      const read = gatedDelta({
        q: pick(turned, 'R', 0),
        k: rename(k, 'S', 'T'),
        v: rename(v, 'S', 'T'),
        beta: sigmoid(overwritten) as never,
        decay: negate(multiply(step, speed as never)) as never,
      });
      const z = hook('attn.hook_z', expand(read, { R: 1 }) as Queries);
      const gate = hook('attn.hook_gate', expand(silu(parts(x).gate), { R: 1 }) as unknown as Queries);
      const gated = multiply(rmsNorm(z, 'D', at('linear_attn.norm'), { epsilon }), gate);
      const output = linear(gated, at('linear_attn.out_proj'), { M }, { G: valueHeads, R: 1, D: valueWidth });
      return hook('attn.hook_out', output);
    },
  };

  function byHead() {
    const [keys, values] = [keyWidth, R * valueWidth];
    const whole = (x: Tensor<string>) =>
      linear(x, at('linear_attn.in_proj_qkvz'), { N, C: 2 * keys + 2 * values }, { M }) as Tensor<'N' | 'C'>;
    const both = (x: Tensor<string>) => linear(x, at('linear_attn.in_proj_ba'), { N, C: 2 * R }, { M });
    const number = (x: Tensor<string>, from: number) =>
      merge(rename(slice(both(x) as Tensor<'C'>, 'C', from, from + R), 'C', 'R') as never, ['N', 'R'], 'G');
    return {
      parts(x: Tensor<string>) {
        const all = whole(x);
        const key = (from: number) => rename(slice(all, 'C', from, from + keys), 'C', 'D') as Tensor<string>;
        const value = (from: number) =>
          merge(split(slice(all, 'C', from, from + values), 'C', { R, D: valueWidth }), ['N', 'R'], 'G');
        return {
          q: key(0),
          k: key(keys),
          v: value(2 * keys) as Tensor<string>,
          gate: value(2 * keys + values) as unknown as Heads,
        };
      },
      rates: (x: Tensor<string>) => ({
        overwritten: number(x, 0) as unknown as Numbers,
        time: number(x, R) as unknown as Numbers,
      }),
    };
  }

  function byPart() {
    const [keys, values] = [N * keyWidth, valueHeads * valueWidth];
    return {
      parts(x: Tensor<string>) {
        const all = linear(x, at('linear_attn.in_proj_qkv'), { C: 2 * keys + values }, { M }) as Tensor<'C'>;
        const part = (from: number, heads: { readonly [axis: string]: number }, width: number) =>
          split(slice(all, 'C', from, from + width), 'C', heads as { G: number; D: number }) as Tensor<string>;
        const G = valueHeads;
        return {
          q: part(0, { N, D: keyWidth }, keys),
          k: part(keys, { N, D: keyWidth }, keys),
          v: part(2 * keys, { G, D: valueWidth }, values),
          gate: linear(x, at('linear_attn.in_proj_z'), { G, D: valueWidth }, { M }) as unknown as Heads,
        };
      },
      rates: (x: Tensor<string>) => ({
        overwritten: linear(x, at('linear_attn.in_proj_b'), { G: valueHeads }, { M }) as unknown as Numbers,
        time: linear(x, at('linear_attn.in_proj_a'), { G: valueHeads }, { M }) as unknown as Numbers,
      }),
    };
  }
}
