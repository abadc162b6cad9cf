/** Everything of `sinklab`, and what needs Node: models by path or hub id, writing files, the runtime on onnxruntime-node. */

export { loadSolver } from './cache/moa/solver-node.ts';
export * from './index.ts';
export { openAudio } from './load/audio/open-audio-node.ts';
export { openImage } from './load/images/decode-image-node.ts';
export { openLocal } from './load/open-local.ts';
export { resolveModel } from './load/resolve-model-node.ts';
export { loadTokenizer } from './load/tokenizer-node.ts';
export { writeSafetensors } from './load/write-safetensors-node.ts';
export { type LoadedModel, type LoadOptions, load, loadNamed } from './models/load-node.ts';
export { nodeRuntime } from './runtime/node.ts';
export { checkpointFolder } from './train/checkpoint-node.ts';
export { encodeCorpus } from './train/data-corpus-node.ts';
export { openPackedDataset } from './train/data-packed-node.ts';
export { writeHuggingFaceFolder } from './train/hugging-face-folder-node.ts';
