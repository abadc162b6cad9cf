import type { DType } from '../tensor/tensor.ts';

/** Numbers outside a graph: what is fed and fetched. `bool` is one byte an element. */
export interface HostTensor {
  readonly type: DType;
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array | BigInt64Array | Uint8Array;
  /** This very object is fed many times: what the runtime makes of it is kept as long as it lives. */
  readonly reused?: true;
}

export interface SessionOptions {
  /** Threads of one operator. */
  readonly threads: number;
  /** Folder of external data files, for weights that are read in place. */
  readonly weightFolder?: string;
  /** External data files in memory, by the location that initialisers name. Read while compiling, not after. */
  readonly weightData?: ReadonlyMap<string, Uint8Array>;
  /** Let the runtime print its own warnings. */
  readonly verbose: boolean;
}

/** A compiled program. */
export interface Session {
  /** Feeds are read in place: do not write into a fed array before the promise resolves. */
  run(feeds: Readonly<Record<string, HostTensor>>, fetch: readonly string[]): Promise<Record<string, HostTensor>>;
  release(): Promise<void>;
}

/** One way to run programs: ONNX Runtime in Node, or in the page. */
export interface Backend {
  /** Name and version, for results. */
  readonly name: string;
  readonly device: 'cpu' | 'wasm' | 'webgpu';
  /** Bytes there are for everything together: of the machine, the container, or the page's address space. Absent: not known. */
  readonly memory?: number;
  compile(model: Uint8Array, options: SessionOptions): Promise<Session>;
}
