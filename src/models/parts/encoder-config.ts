import type { Checkpoint } from '../../load/checkpoint.ts';
import type { ConfigReader } from '../../load/config.ts';
import { ignoreHarmless } from './config.ts';

/** Refuses what would make a decoder of an encoder, and counts keys that cannot change what it computes. */
export function onlyEncoder(c: ConfigReader): void {
  for (const key of ['is_decoder', 'add_cross_attention', 'is_encoder_decoder'])
    c.oneOf(key, [false], { default: false });
  c.oneOf('position_embedding_type', ['absolute'], { default: 'absolute' });
  c.value('pruned_heads', 'no pruned heads', isEmpty, { default: undefined });
  // How the release was made, converted or is used; the pooler's keys are of software that had other poolers.
  c.ignore(['output_past', 'directionality', '_num_labels', 'tokenizer_class']);
  c.ignore(['sentence_transformers', 'sbert_ce_default_activation_function']);
  c.ignore(['pooler_fc_size', 'pooler_num_attention_heads', 'pooler_num_fc_layers', 'pooler_size_per_head']);
  c.oneOf('pooler_type', ['first_token_transform'], { default: undefined });
  ignoreHarmless(c);
}

const isEmpty = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && Object.keys(value).length === 0;

/** What stands before the names of the encoder's tensors: `whole`, or nothing where a file holds `table` without it, the encoder by itself. */
export function rootOf(checkpoint: Checkpoint, whole: string, table: string): string {
  return checkpoint.tensors.has(`${table}.weight`) ? '' : whole;
}

/** What a head is for, where its tensors do not tell: the end of the first of `architectures`, `TokenClassification`. Throws a LoadError for others. */
export function taskOf<const N extends string>(c: ConfigReader, checkpoint: Checkpoint, tasks: readonly N[]): N {
  const { architectures } = checkpoint.config;
  const first: unknown = Array.isArray(architectures) ? architectures[0] : undefined;
  const found = tasks.find((task) => typeof first === 'string' && first.endsWith(`For${task}`));
  if (found === undefined)
    throw c.error('architectures', `one name that ends in ${tasks.map((task) => `For${task}`).join(' or ')}`);
  return found;
}
