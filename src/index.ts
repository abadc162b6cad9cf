/**
 * Sinklab in Node and in the page: load a model, run it with hook points read and edited, check it against its reference. What needs
 * Node (paths, hub ids, writing files) is `sinklab/node`; in the page a model is loaded from files at hand and runs on `sinklab/runtime/web`.
 */
export { CacheFullError, InputError, LoadError, RunError, ShapeError, SinklabError } from './error.ts';
export type { ByteFolder, HashableSource } from './load/byte-folder.ts';
export { memoryFolder, memorySource } from './load/bytes-memory.ts';
export type { ByteSource, Checkpoint, Provenance, SourceFile, StoredTensor, StoredType } from './load/checkpoint.ts';
export { openGguf } from './load/gguf.ts';
export { openSafetensors } from './load/safetensors.ts';
export { openSafetensorsFile, type SafetensorsFile } from './load/safetensors-file.ts';
export { createTokenizer, type Tokenizer, withBos } from './load/tokenizer.ts';
export { encodeSafetensors, type TensorToWrite } from './load/write-safetensors.ts';
export { type ScanFindings, type ScanInput, type ScanOptions, scan } from './measure/index.ts';
export * from './models/index.ts';
export type { HostTensor } from './runtime/backend.ts';
export type { Runtime, RuntimeOptions } from './runtime/runtime.ts';
