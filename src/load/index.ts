/** Reading checkpoints, configurations and tokenizers in Node and in the page. What needs Node is exported by `sinklab/node`. */
export type { ByteFolder, HashableSource } from './byte-folder.ts';
export { memoryFolder, memorySource } from './bytes-memory.ts';
export { type ChatPrompt, chatPrompt } from './chat-prompt.ts';
export { type ChatMessage, parseMessages } from './chat-template.ts';
export type { ByteSource, Checkpoint, Provenance, SourceFile, StoredTensor, StoredType } from './checkpoint.ts';
export { ConfigReader } from './config.ts';
export { DEFAULT_TEXT, DEFAULT_TEXT_SOURCE } from './default-text.ts';
export { type GgufCheckpoint, openGguf } from './gguf.ts';
export { pageIds, parseIds, protocolTexts } from './prompts.ts';
export { type Rope, readRope, readRopeByLayerType } from './rope-config.ts';
export { openSafetensors, type SafetensorsOptions } from './safetensors.ts';
export { openSafetensorsFile, type SafetensorsFile } from './safetensors-file.ts';
export { describeFrames, describePatches, describeTokens } from './token-roles.ts';
export { createTokenizer, type Tokenizer, type TokenizerSource, withBos } from './tokenizer.ts';
export { tokenizerFromGguf } from './tokenizer-gguf.ts';
export { encodeSafetensors, type TensorToWrite } from './write-safetensors.ts';
