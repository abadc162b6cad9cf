import { attention } from './attention.ts';
import type { AttentionLayer } from './layer.ts';
import type { MechanismSite } from './mechanism.ts';
import type { SoftmaxOptions } from './normalisers/softmax.ts';
import { projections } from './projections.ts';
import type { AttentionGiven, AttentionSteps } from './steps.ts';

/**
 * The layer of a mechanism that only changes steps: projections without biases, scores scaled by 1/√D, positions as the site has them.
 *
 * @param steps gets what `softmaxSteps` takes, and the layer's values
 */
export function layerWithSteps(
  { at, sizes, position, window }: MechanismSite,
  steps: (options: SoftmaxOptions, given: AttentionGiven) => AttentionSteps,
): AttentionLayer {
  const { output, ...project } = projections(at, sizes, { inputs: false, output: false });
  return attention({
    ...project,
    ...position,
    steps: (given) => steps({ scale: sizes.D ** -0.5, window, output }, given),
  });
}
