import type { Stream } from '../../attention/steps.ts';
import { linear } from '../../layers/linear.ts';
import { layerNorm } from '../../layers/norms.ts';
import { add, gather, pick, rename, type Tensor, type Within, weight } from '../../tensor/index.ts';
import type { TokenStack } from '../stack.ts';

export interface BertEmbeddingsOptions {
  /** Full name of a weight, from its name below `embeddings`. */
  readonly at: (name: string) => string;
  readonly V: number;
  /** Width of the tables. */
  readonly W: number;
  /** Rows of the table of positions, and of token types; 0: there is none. */
  readonly positions: number;
  readonly types: number;
  readonly epsilon: number;
  /** Row of the table of positions for each token. Default: its position. */
  readonly rowOf?: (ids: Tensor<'B' | 'T'>, positions: Within<'B' | 'T'>) => Within<'B' | 'T'>;
  /** Where tables are narrower than the stream: weight name of the projection, and the stream's width. */
  readonly widen?: { readonly name: string; readonly M: number } | undefined;
}

/** LayerNorm(token + type + position), of learned tables. */
export function bertEmbeddings(options: BertEmbeddingsOptions): TokenStack['embed'] {
  const { at, V, W, positions: P, types: J, epsilon, rowOf = (_, positions) => positions, widen } = options;
  return (ids, positions, types) => {
    const words = gather(weight(at('word_embeddings.weight'), { V, M: W }), ids, 'V');
    const places = gather(
      weight(at('position_embeddings.weight'), { P, M: W }),
      rowOf(ids, positions) as Tensor<'B' | 'T'>,
      'P',
    );
    const typed = J === 0 ? words : add(words, ofTypes(weight(at('token_type_embeddings.weight'), { J, M: W }), types));
    const normed = layerNorm(add(typed, places), 'M', at('LayerNorm'), { epsilon });
    return widen
      ? (linear(rename(normed, 'M', 'N'), widen.name, { M: widen.M }, { N: W }, { bias: true }) as Stream)
      : normed;
  };
}

const ofTypes = (table: Tensor<'J' | 'M'>, types: Tensor<'B' | 'T'> | undefined): Stream =>
  (types ? gather(table, types, 'J') : pick(table, 'J', 0)) as Stream;
