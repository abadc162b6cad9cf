import { chosenExperts } from '../../src/models/parts/chosen-experts.ts';
import { softmaxShares } from '../../src/models/parts/routed-experts.ts';
import type { HostTensor } from '../../src/runtime/backend.ts';
import { dot, type Graph, gradients, input, lower, pick, silu, sum, weight } from '../../src/tensor/index.ts';

const [E, M, F] = [6, 8, 4];

/** Two of six experts of stacked weights for each token, with the gradients of the stream and of the router. */
export function mixtureProgram(): Graph {
  const x = input('x', { B: 'B', T: 'T', M });
  const logits = input('logits', { B: 'B', T: 'T', E });
  const choice = softmaxShares(2, true)(logits);
  const y = chosenExperts(x, choice, E, (rows, e) => {
    const hidden = silu(dot(rows, pick(weight('up', { E, F, M }), 'E', e), 'M'));
    return dot(hidden, pick(weight('down', { E, M, F }), 'E', e), 'F');
  });
  const [dx, dlogits] = gradients(sum(y, ['B', 'T', 'M']), [x, logits]);
  return lower({ y: { value: y }, dx: { value: dx }, dlogits: { value: dlogits } }, { weights: 'inputs' });
}

const float32 = (shape: number[], step: number): HostTensor => ({
  type: 'float32',
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(step * i + 0.3)),
});

/** One text of so many tokens; of one token four experts have none. */
export const mixtureFeeds = (T: number): Record<string, HostTensor> => ({
  x: float32([1, T, M], 0.37),
  logits: float32([1, T, E], 1.9),
  '%w0': float32([E, F, M], 0.71),
  '%w1': float32([E, M, F], 1.13),
});
