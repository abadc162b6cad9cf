import { type PreTokenizer, preTokenizers } from './pre-tokenizers.ts';
import type { GgufTokenizerMetadata } from './tokenizer-metadata.ts';

/** Refuses a file's tokenizer. */
export type Fail = (what: string) => never;

/** The pre-tokenizer that a file names. */
export function byteLevelPreTokenizer({ pre = 'default' }: GgufTokenizerMetadata, fail: Fail): PreTokenizer {
  const known = Object.hasOwn(preTokenizers, pre) ? preTokenizers[pre] : undefined;
  return (
    known ??
    fail(
      `pre-tokenizer "${pre}" is not supported (${Object.keys(preTokenizers).join(', ')} are); use the safetensors checkpoint`,
    )
  );
}

/** Byte-level BPE in the form of a `tokenizer.json`. */
export function byteLevelJson(metadata: GgufTokenizerMetadata, vocab: Record<string, number>, fail: Fail) {
  const { patterns, ignoreMerges } = byteLevelPreTokenizer(metadata, fail);
  const { merges } = metadata;
  if (merges === undefined) fail('"tokenizer.ggml.merges" is missing');
  const splits = patterns.map((Regex) => ({ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false }));
  return {
    normalizer: null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [...splits, { type: 'ByteLevel', add_prefix_space: false, use_regex: false }],
    },
    decoder: { type: 'ByteLevel' },
    model: { type: 'BPE', vocab, merges, unk_token: null, ignore_merges: ignoreMerges ?? false },
  };
}
