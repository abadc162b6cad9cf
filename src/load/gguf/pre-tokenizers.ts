/**
 * How text is cut before byte-level BPE, by the names that GGUF files give it. The patterns are facts of the models' tokenizers, in forms that
 * JavaScript reads.
 */
export interface PreTokenizer {
  /** Applied one after the other; what lies between two matches is a piece too. */
  readonly patterns: readonly string[];
  /** A piece that is a token as a whole is taken at once. */
  readonly ignoreMerges?: true;
  /** BOS is put first unless the file says otherwise. */
  readonly addBos?: true;
}

const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const CONTRACTIONS = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
const ENDS = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const modern = (digits: string) =>
  `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${ENDS}`;
const UPPER = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]';
const LOWER = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]';
const LEAD = '[^\\r\\n\\p{L}\\p{N}]?';
const byCase = (contractions: string, digits: string) =>
  `${LEAD}${UPPER}*${LOWER}+${contractions}|${LEAD}${UPPER}+${LOWER}*${contractions}|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${ENDS}`;

const gpt2 = { patterns: [GPT2] };
const digitByDigit = { patterns: ['\\p{N}', GPT2] };
const inThrees = { patterns: [modern('\\p{N}{1,3}')] };
const llama3 = { ...inThrees, ignoreMerges: true, addBos: true } as const;
const qwen2 = { patterns: [modern('\\p{N}')] };
const o200k = { patterns: [byCase(`${CONTRACTIONS}?`, '\\p{N}{1,3}')] };
const bloom = { patterns: [' ?[^(\\s|.,!?…。，、।۔،)]+'] };

export const preTokenizers: Readonly<Record<string, PreTokenizer>> = {
  'gpt-2': gpt2,
  olmo: gpt2,
  'phi-2': gpt2,
  mpt: gpt2,
  jais: gpt2,
  'modern-bert': gpt2,
  'roberta-bpe': gpt2,
  trillion: gpt2,
  'granite-docling': gpt2,
  default: { patterns: ['[\\p{P}\\$\\+<=>\\^~\\|]+', GPT2, '\\p{N}+', '[0-9][0-9][0-9]'] },
  falcon: { patterns: ['[\\p{P}\\$\\+<=>\\^~\\|`]+', GPT2, '[0-9][0-9][0-9]'] },
  smollm: digitByDigit,
  starcoder: digitByDigit,
  refact: digitByDigit,
  'command-r': digitByDigit,
  codeshell: digitByDigit,
  exaone: digitByDigit,
  'minerva-7b': digitByDigit,
  'llama-bpe': llama3,
  llama3,
  'llama-v3': llama3,
  falcon3: llama3,
  pixtral: llama3,
  lfm2: llama3,
  dbrx: inThrees,
  'smaug-bpe': inThrees,
  qwen2,
  stablelm2: qwen2,
  'deepseek-r1-qwen': qwen2,
  megrez: qwen2,
  hunyuan: qwen2,
  qwen35: {
    patterns: [
      `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|${ENDS}`,
    ],
  },
  'gpt-4o': o200k,
  llama4: o200k,
  'minimax-m2': o200k,
  tekken: { patterns: [byCase('', '\\p{N}')], ignoreMerges: true, addBos: true },
  'deepseek-v3': {
    patterns: [
      '\\p{N}{1,3}',
      '[一-龥぀-ゟ゠-ヿ]+',
      `[!"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_\`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|${ENDS}`,
    ],
  },
  'deepseek-coder': { patterns: ['[\\r\\n]', '\\s?\\p{L}+', '\\s?\\p{P}+', '[一-龥ࠀ-一가-퟿]+', '\\p{N}'] },
  bloom,
  'poro-chat': bloom,
  'gpt3-finnish': bloom,
};
