import {
  causalSoftmax,
  gatherValues,
  type NaiveSizes,
  type NaiveWeights,
  normHeads,
  type Rows,
  timesMatrix,
  turnHeads,
} from './heads.ts';

export interface NaiveGate {
  readonly position: 'sdpa-output' | 'value' | 'key' | 'query' | 'dense-output' | 'none';
  readonly headWise?: boolean;
  readonly shared?: boolean;
  readonly additive?: boolean;
  readonly activation?: 'sigmoid' | 'silu' | 'identity' | 'ns-sigmoid' | 'rms-norm-only' | 'silu-only';
  readonly fixed?: boolean;
  readonly layout?: 'key-value-group' | 'query-head' | 'separate';
  readonly afterNorms?: boolean;
  /** Norms of query and key heads, with this added to their weights. */
  readonly normOffset?: number;
  readonly epsilon?: number;
  /** Turned numbers of a head. Default: all. */
  readonly turning?: number;
}

const sigma = (s: number) => 1 / (1 + Math.exp(-s));
const functions = {
  sigmoid: sigma,
  silu: (s: number) => s * sigma(s),
  identity: (s: number) => s,
  'ns-sigmoid': (s: number) => 0.5 + 0.5 * sigma(s),
} as const;

/** The definition of gated attention for one text: outputs, weights [head][query][key], and the gate as repeated over a head. */
export function naiveGated(x: Rows, weights: NaiveWeights, sizes: NaiveSizes, gate: NaiveGate) {
  const { H, G, D, M } = sizes;
  const R = H / G;
  const { activation = 'sigmoid', epsilon = 1e-5, layout = 'key-value-group' } = gate;
  const alone = activation === 'rms-norm-only' || activation === 'silu-only';
  const packed = gate.position === 'sdpa-output' && !alone && !gate.fixed && layout !== 'separate';
  const stored = timesMatrix(x, weights.q_proj!);
  const outGates = gate.headWise ? 1 : D;

  // Row of a query number or of a gate number among the rows of q_proj.
  const queryRow = (h: number, d: number) => {
    if (!packed) return h * D + d;
    if (layout === 'query-head') return h * 2 * D + d;
    return Math.floor(h / R) * R * (D + outGates) + (h % R) * D + d;
  };
  const gateRow = (h: number, d: number) => {
    if (layout === 'query-head') return h * 2 * D + D + d;
    return Math.floor(h / R) * R * (D + outGates) + R * D + (h % R) * outGates + d;
  };

  /** The gate along `heads` heads of D numbers, for every token. */
  function gateRows(heads: number): Rows {
    const scores = packed
      ? stored
      : gate.fixed
        ? x.map(() => [...Array.from(weights.gate!)])
        : timesMatrix(x, weights.gate_proj!);
    const f = functions[activation as keyof typeof functions];
    const own = scores.map((row) =>
      Array.from({ length: heads * D }, (_, i) => {
        const [h, d] = [Math.floor(i / D), gate.headWise ? 0 : i % D];
        return f(row[packed ? gateRow(h, d) : gate.headWise ? h : i]!);
      }),
    );
    if (!gate.shared) return own;
    return own.map((row) => {
      const average = Array.from({ length: D }, (_, d) => {
        let total = 0;
        for (let h = 0; h < heads; h++) total += row[h * D + d]!;
        return total / heads;
      });
      return row.map((_, i) => average[i % D]!);
    });
  }
  const enter = (rows: Rows, gates: Rows): Rows =>
    rows.map((row, t) => row.map((y, i) => (gate.additive ? y + gates[t]![i]! : y * gates[t]![i]!)));

  let q: Rows = stored.map((row) => Array.from({ length: H * D }, (_, i) => row[queryRow(Math.floor(i / D), i % D)]!));
  let k = timesMatrix(x, weights.k_proj!);
  let v = timesMatrix(x, weights.v_proj!);
  if (gate.position === 'value') v = enter(v, gateRows(G));
  if (gate.position === 'key' && !gate.afterNorms) k = enter(k, gateRows(G));
  if (gate.position === 'query' && !gate.afterNorms) q = enter(q, gateRows(H));
  if (gate.normOffset !== undefined) {
    q = normHeads(q, D, weights.q_norm!, epsilon, gate.normOffset);
    k = normHeads(k, D, weights.k_norm!, epsilon, gate.normOffset);
  }
  if (gate.position === 'key' && gate.afterNorms) k = enter(k, gateRows(G));
  if (gate.position === 'query' && gate.afterNorms) q = enter(q, gateRows(H));
  const pattern = causalSoftmax(turnHeads(q, D, gate.turning), turnHeads(k, D, gate.turning), sizes);
  let z = gatherValues(pattern, v, sizes);
  const gates = gate.position === 'sdpa-output' && !alone ? gateRows(H) : undefined;
  if (gates) z = enter(z, gates);
  if (activation === 'silu-only') z = z.map((row) => row.map((value) => value * sigma(value)));
  if (activation === 'rms-norm-only') z = normHeads(z, D, weights.head_norm!, epsilon);
  let output = timesMatrix(z, weights.o_proj!);
  if (gate.position === 'dense-output') {
    const scores = gate.fixed ? x.map(() => Array.from(weights.gate!)) : timesMatrix(x, weights.gate_proj!);
    const f = functions[activation as keyof typeof functions];
    output = enter(
      output,
      scores.map((row) => Array.from({ length: M }, (_, m) => f(row[m]!))),
    );
  }
  return { output, pattern, gates };
}
