/**
 * What a reader of weight files gives to the models: tensors under their Hugging Face names, the configuration in Hugging Face
 * spelling, and where everything came from. Readers are strict: what they cannot account for is an error before anything runs.
 */

/** Element types as stored. `gguf:Q4_1` and the like, and `MXFP4` in safetensors, are block formats that are decoded when read. */
export type StoredType =
  | 'F64'
  | 'F32'
  | 'F16'
  | 'BF16'
  | 'I64'
  | 'I32'
  | 'I16'
  | 'I8'
  | 'U8'
  | 'BOOL'
  | 'MXFP4'
  | `gguf:${string}`;

export interface StoredTensor {
  /** Hugging Face name, e.g. `model.layers.0.self_attn.q_proj.weight`. */
  readonly name: string;
  readonly dtype: StoredType;
  /** Stored order, slowest first, as Hugging Face writes it ([out, in] for a linear layer). */
  readonly shape: readonly number[];
  /** Bytes as stored. */
  readonly bytes: number;
  /** Where the bytes lie, when a runtime may read them in place; absent when they must be decoded or permuted first. */
  readonly inPlace?: { readonly file: string; readonly offset: number };
}

export interface SourceFile {
  /** File name without its folder. */
  readonly name: string;
  readonly bytes: number;
  /** SHA-256 in hex, of the whole file. */
  readonly sha256: string;
}

export interface Provenance {
  readonly format: 'safetensors' | 'gguf';
  /** What the user asked for: a path, or a hub id with its revision. */
  readonly source: string;
  readonly revision?: string;
  /** The distinct stored types of the weights, the most frequent (by parameters) first. */
  readonly dtypes: readonly StoredType[];
  /** How rotary pairs lay in the file. The reader restores half-split order, so models never see the difference. */
  readonly ropePairing: 'half-split' | 'interleaved, rows restored to half-split';
}

export interface Checkpoint {
  /** `config.json` as parsed (GGUF metadata in the same spelling): untrusted, read by a family through a `ConfigReader`. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly provenance: Provenance;
  /** Decodes one tensor to float32 in stored order; the caller owns the array. Throws a LoadError for unknown names. */
  read(name: string): Promise<Float32Array<ArrayBuffer>>;
  /** Raw bytes of one tensor as stored (for block formats such as MXFP4 expert weights in safetensors). */
  readBytes(name: string): Promise<Uint8Array<ArrayBuffer>>;
  /** A tensor in the blocks it is stored in (`Q4_0`, …), row by row; undefined where it is not stored so. Absent: no tensor is. */
  readBlocks?(name: string): Promise<{ readonly type: string; readonly bytes: Uint8Array<ArrayBuffer> } | undefined>;
  /** Names, sizes and SHA-256 of the weight files (reads them whole, once). */
  files(): Promise<readonly SourceFile[]>;
  close(): Promise<void>;
}

/** Random access to bytes: a file in Node, a Blob or an ArrayBuffer in the page. */
export interface ByteSource {
  readonly name: string;
  readonly size: number;
  /** Absolute path when the bytes are a local file. */
  readonly path?: string;
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  close(): Promise<void>;
}
