import {
  causalSoftmax,
  gatherValues,
  type NaiveSizes,
  type NaiveWeights,
  type Rows,
  timesMatrix,
  turnHeads,
} from './heads.ts';

export interface NaiveRouting {
  readonly shared: readonly number[];
  readonly active: number;
  readonly router?: 'learned' | 'query-norm';
  readonly twoStage?: boolean;
}

export function softmaxOf(logits: readonly number[]): number[] {
  const top = Math.max(...logits);
  const powers = logits.map((one) => Math.exp(one - top));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((one) => one / total);
}

/** Positions of the `count` largest numbers; among equal ones the first. */
export function largest(values: readonly number[], count: number): number[] {
  const left = values.map((value, i) => ({ value, i }));
  const found: number[] = [];
  for (let n = 0; n < count; n++) {
    let best = 0;
    for (let i = 1; i < left.length; i++) if (left[i]!.value > left[best]!.value) best = i;
    found.push(left.splice(best, 1)[0]!.i);
  }
  return found;
}

/** Gates of one token, by head, with the softmax over the routed heads and those chosen among them. */
export function naiveGates(
  x: readonly number[],
  q: readonly number[],
  weights: NaiveWeights,
  H: number,
  routing: NaiveRouting,
) {
  const { shared, active, router = 'learned', twoStage = true } = routing;
  const routed: number[] = [];
  for (let h = 0; h < H; h++) if (!shared.includes(h)) routed.push(h);
  const gates = new Array<number>(H).fill(0);
  const logitsOf = (name: string) => timesMatrix([[...x]], weights[name]!)[0]!;
  if (router === 'query-norm') {
    const D = q.length / H;
    const norms = routed.map((h) => Math.hypot(...q.slice(h * D, h * D + D)));
    const mean = norms.reduce((a, b) => a + b, 0) / norms.length;
    const deviation = Math.sqrt(norms.reduce((total, one) => total + (one - mean) ** 2, 0) / (norms.length - 1));
    const probability = softmaxOf(norms.map((one) => one / deviation));
    const chosen = largest(norms, active);
    for (const h of shared) gates[h] = 1;
    for (const i of chosen) gates[routed[i]!] = 1;
    return { gates, probability, chosen };
  }
  const stages =
    twoStage && shared.length > 0 && routed.length > 0 ? softmaxOf(logitsOf('wg_0')).map((one) => 2 * one) : [1, 1];
  const always = shared.length > 1 ? softmaxOf(logitsOf('wg_1')).map((one) => one * shared.length) : [1];
  shared.forEach((h, i) => {
    gates[h] = stages[0]! * always[i]!;
  });
  if (routed.length === 0) return { gates, probability: [], chosen: [] };
  const logits = logitsOf('wg');
  const probability = softmaxOf(logits);
  const chosen = largest(logits, active);
  const kept = chosen.reduce((total, i) => total + probability[i]!, 0);
  for (const i of chosen) gates[routed[i]!] = (stages[1]! * active * probability[i]!) / kept;
  return { gates, probability, chosen };
}

/** The definition of mixture-of-head attention for one text, RoPE of base 10,000: the sum over heads of gate · head · its rows of W_O. */
export function naiveMixtureOfHead(x: Rows, weights: NaiveWeights, sizes: NaiveSizes, routing: NaiveRouting) {
  const { H, D, M } = sizes;
  const plain = timesMatrix(x, weights.q_proj!);
  const pattern = causalSoftmax(turnHeads(plain, D), turnHeads(timesMatrix(x, weights.k_proj!), D), sizes);
  const z = gatherValues(pattern, timesMatrix(x, weights.v_proj!), sizes);
  const routes = x.map((row, t) => naiveGates(row, plain[t]!, weights, H, routing));
  const output = z.map((row, t) => {
    const y = new Array<number>(M).fill(0);
    for (let h = 0; h < H; h++)
      for (let m = 0; m < M; m++) {
        let contribution = 0;
        for (let d = 0; d < D; d++) contribution += row[h * D + d]! * weights.o_proj![m * H * D + h * D + d]!;
        y[m]! += routes[t]!.gates[h]! * contribution;
      }
    return y;
  });
  return { output, routes };
}

/** Load-balance loss of one layer from what all tokens' routers gave: E² · mean_i(P_i f_i), and Σ_i P_i f_i. */
export function naiveBalance(
  routes: readonly { readonly probability: readonly number[]; readonly chosen: readonly number[] }[],
) {
  const E = routes[0]!.probability.length;
  let paper = 0;
  for (let i = 0; i < E; i++) {
    let [P, f] = [0, 0];
    for (const { probability, chosen } of routes) {
      P += probability[i]! / routes.length;
      if (chosen.includes(i)) f += 1 / routes.length;
    }
    paper += P * f;
  }
  return { paper, code: (paper / E) * E ** 2 };
}
