import { scalar, weight } from '../../tensor/index.ts';
import { layerWithSteps } from '../layer-with-steps.ts';
import type { Mechanism } from '../mechanism.ts';
import { nullColumnSteps } from './null-column.ts';

/** Softmax-off-by-one, w_j = e^{s_j} / (1 + Σ e^s): a null key and value of zeros (Evan Miller, Attention Is Off By One, 2023). */
export function softmaxOne(): Mechanism {
  return {
    name: 'softmax1',
    source: 'https://www.evanmiller.org/attention-is-off-by-one.html',
    rows: 'part',
    attention: (site) => layerWithSteps(site, (options) => nullColumnSteps({ ...options, logits: scalar(0) })),
  };
}

/**
 * One learned logit t for each query head, w_j = e^{s_j} / (e^t + Σ e^s), as in GPT-OSS, 2508.10925. t is `self_attn.sinks` [G, R], 0 at the
 * start: softmax1. The output is σ(ln Σ e^s − t) times that of softmax: a gate on the head, driven by its scores.
 */
export function sinkLogit(): Mechanism {
  return {
    name: 'sink logit',
    source: '2508.10925',
    rows: 'part',
    attention(site) {
      const { H, G } = site.sizes;
      const logits = weight(site.at('self_attn.sinks'), { G, R: H / G });
      return layerWithSteps(site, (options) => nullColumnSteps({ ...options, logits }));
    },
    initial: (name, shape) =>
      name.endsWith('.sinks') ? new Float32Array(shape.reduce((a, b) => a * b, 1)) : undefined,
  };
}
