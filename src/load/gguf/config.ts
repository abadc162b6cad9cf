/** Metadata of a GGUF file as a `config.json` in Hugging Face spelling. Keys nobody understands stop the load. */
import { LoadError } from '../../error.ts';
import { ConfigReader } from '../config.ts';
import type { Architecture } from './architecture.ts';
import { type Config, type GgufFacts, size } from './metadata.ts';

/** The configuration in Hugging Face spelling. Throws a LoadError for values and keys that are not understood. */
export function ggufConfig(
  metadata: ReadonlyMap<string, unknown>,
  architecture: Architecture,
  facts: GgufFacts & { readonly vocabulary: number },
): Config {
  const c = new ConfigReader(Object.fromEntries(metadata), `${facts.place} metadata`);
  const { architecture: p } = facts;
  const elsewhere = /^(general|tokenizer|quantize)\./;
  c.ignore([...metadata.keys()].filter((key) => elsewhere.test(key)));
  c.ignore([`${p}.rope.scaling.finetuned`, 'split.no', 'split.tensors.count']);
  if (c.int('split.count', { default: 0 }) > 1) {
    throw new LoadError(
      `${facts.place}: this is one part of several; join them first (llama-gguf-split --merge FIRST OUT)`,
    );
  }
  const vocabulary = c.int(`${p}.vocab_size`, { ...size, default: facts.vocabulary });
  if (vocabulary !== facts.vocabulary)
    throw c.error(`${p}.vocab_size`, `${facts.vocabulary}, the rows of token_embd.weight`);
  const config = architecture.config(c, facts);
  // Of architectures without experts.
  for (const key of c.unread().filter((key) => /\.expert_(used_)?count$/.test(key))) c.oneOf(key, [0]);
  const ids: Config = {};
  for (const [key, name] of [
    ['bos', 'bos_token_id'],
    ['eos', 'eos_token_id'],
    ['padding', 'pad_token_id'],
  ] as const) {
    const id = c.int(`tokenizer.ggml.${key}_token_id`, { default: undefined });
    if (id !== undefined) ids[name] = id;
  }
  c.done();
  return { ...config, vocab_size: vocabulary, ...ids };
}
