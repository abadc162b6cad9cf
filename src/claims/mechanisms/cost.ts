import { cachedDecoding } from '../../attention/decoding.ts';
import type { AttentionTap } from '../../attention/layer.ts';
import type { Mechanism, MechanismSite } from '../../attention/mechanism.ts';
import { wholeText } from '../../attention/places.ts';
import { Dim, input, rename } from '../../tensor/index.ts';
import { ancestors } from '../../tensor/schedule.ts';

/** What one layer costs. */
export interface LayerCost {
  /** Trained numbers, and running means. */
  readonly parameters: number;
  /** Operations of the products of one text of T tokens, two for each multiplication with its addition; everything computed is counted. */
  readonly flops: number;
  /** Bytes of state in float32: what one more token adds, and what is there however long the text. */
  readonly state: { readonly perToken: number; readonly constant: number };
}

const untapped = ((_: string, value: unknown) => value) as unknown as AttentionTap;
untapped.watched = () => true;

/** Counts the graph of one layer over one text of `T` tokens. */
export function layerCost(mechanism: Mechanism, site: MechanismSite, T: number): LayerCost {
  const x = input('x', { B: 1, T, M: site.sizes.M });
  const layer = mechanism.attention(site);
  const places = wholeText(T);
  const kv = layer.keysAndValues(rename(x, 'T', 'S'), places, untapped);
  const nodes = ancestors([layer.attend(x, kv, places, untapped).node]);
  const sizeOf = (axes: Iterable<Dim>) => [...axes].reduce((product, size) => product * size.evaluate({}), 1);
  const weights = new Map<string, number>();
  let flops = 0;
  for (const { operator, attributes, axes, inputs } of nodes) {
    if (operator.name === 'weight') weights.set(attributes.name as string, sizeOf(axes.values()));
    if (operator.name !== 'dot') continue;
    const all = new Map(inputs.flatMap((operand) => [...operand.axes]));
    flops += 2 * sizeOf(all.values());
  }
  const decoding = mechanism.decoding?.(site) ?? cachedDecoding(layer, site.sizes);
  const bytes = (past: number) =>
    Object.values(decoding.state(Dim.of(past))).reduce(
      (total, axes) =>
        total +
        4 *
          Object.entries(axes).reduce(
            (product, [axis, size]) => product * (axis === 'B' ? 1 : Dim.of(size).evaluate({})),
            1,
          ),
      0,
    );
  const perToken = bytes(T + 1) - bytes(T);
  return {
    parameters: [...weights.values()].reduce((a, b) => a + b, 0),
    flops,
    state: { perToken, constant: bytes(T) - T * perToken },
  };
}
