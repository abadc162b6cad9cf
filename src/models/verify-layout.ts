import type { HostTensor } from '../runtime/backend.ts';
import type { Model } from './model.ts';
import type { ReferenceTensor } from './verify-reference.ts';

/** A value in the shape in which references hold it. */
export interface Presented extends Pick<HostTensor, 'data' | 'shape'> {
  /** Names of the dimensions, where they are not those of the hook point. */
  readonly axes?: readonly string[];
}

/**
 * References hold several residual streams along an axis of their own, [B, T, N, M], and compressed entries as further keys behind the text's,
 * [B, H, T, S + entries]; other values are as they are.
 *
 * @param compressed weights of the entries at the last token of each, [B, H, T, S]
 */
export function presented(
  ours: Pick<HostTensor, 'data' | 'shape'>,
  { kind, layer }: Pick<ReferenceTensor, 'kind' | 'layer'>,
  { stack: { sizes, blocks } }: Model,
  compressed: Float32Array | undefined,
): Presented {
  const { streams = 1, M } = sizes;
  const [B = 0, T = 0, width] = ours.shape;
  if (streams > 1 && (kind === 'embeddings' || kind === 'hidden_states') && width === streams * M)
    return { data: ours.data, shape: [B, T, streams, M], axes: ['B', 'T', 'N', 'M'] };
  const tokens = layer === undefined ? undefined : blocks[layer]?.tokensPerEntry;
  if (kind !== 'attentions' || tokens === undefined || !compressed) return ours;
  const S = ours.shape.at(-1)!;
  const entries = Math.floor(S / tokens);
  const rows = ours.data.length / S;
  const data = new Float32Array(rows * (S + entries));
  for (let row = 0; row < rows; row++) {
    data.set((ours.data as Float32Array).subarray(row * S, (row + 1) * S), row * (S + entries));
    for (let entry = 0; entry < entries; entry++)
      data[row * (S + entries) + S + entry] = compressed[row * S + (entry + 1) * tokens - 1]!;
  }
  return { data, shape: [...ours.shape.slice(0, -1), S + entries] };
}
