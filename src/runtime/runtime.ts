import { InputError, RunError } from '../error.ts';
import type { Graph } from '../tensor/graph.ts';
import type { Backend, HostTensor, Session } from './backend.ts';
import { checkFeeds, inParts } from './feeds.ts';

export interface RuntimeOptions {
  /** Threads of one operator, at least 1. Default: all the machine offers. */
  readonly threads?: number;
  /** Print the runtime's own warnings. Default false. */
  readonly verbose?: boolean;
}

/** A program ready to run. */
export interface Program {
  readonly graph: Graph;
  /** Runs once. Every graph input and fed weight must be in `feeds`; `fetch` defaults to all outputs. */
  run(feeds: Readonly<Record<string, HostTensor>>, fetch?: readonly string[]): Promise<Record<string, HostTensor>>;
  /** Frees the session, and with it its weights, before the runtime does; also for whoever else compiled an equal program. */
  release(): Promise<void>;
}

export interface CompileOptions {
  /** Folder of weights that are read in place. */
  readonly weightFolder?: string;
  /** Weights in memory by the location that the graph names. Programs are equal only when they share this very map. */
  readonly weightData?: ReadonlyMap<string, Uint8Array>;
}

let maps = 0;
const mapNumbers = new WeakMap<object, number>();
const numberOf = (map: object): number => {
  const known = mapNumbers.get(map) ?? ++maps;
  mapNumbers.set(map, known);
  return known;
};

/**
 * Compiles and runs programs, and owns their memory: `dispose` (or `await using`) releases every session.
 * Programs of equal bytes share one session.
 */
export class Runtime implements AsyncDisposable {
  readonly threads: number;
  readonly verbose: boolean;
  private readonly sessions = new Map<string, Promise<Session>>();
  private disposed = false;

  constructor(
    readonly backend: Backend,
    options: RuntimeOptions,
  ) {
    this.threads = options.threads ?? 1;
    this.verbose = options.verbose ?? false;
    if (!Number.isInteger(this.threads) || this.threads < 1 || this.threads > 1024)
      throw new InputError(`threads: expected a whole number from 1 to 1024, got ${options.threads}`);
  }

  /** Number of compiled sessions alive. */
  get sessionCount(): number {
    return this.sessions.size;
  }

  /** Compiles a graph, or finds the session of an equal one. Weights that are initialisers need their folder or their data. */
  async compile(graph: Graph, options: CompileOptions = {}): Promise<Program> {
    if (this.disposed) throw new RunError('this runtime has been disposed of');
    const { weightFolder = '', weightData } = options;
    const key = `${weightFolder}\n${weightData ? numberOf(weightData) : ''}\n${new TextDecoder('latin1').decode(graph.bytes)}`;
    let opening = this.sessions.get(key);
    if (!opening) {
      opening = this.backend.compile(graph.bytes, { threads: this.threads, verbose: this.verbose, ...options });
      this.sessions.set(key, opening);
      opening.catch(() => this.sessions.delete(key));
    }
    const session = await opening;
    return {
      graph,
      run: async (feeds, fetch = graph.outputs) => {
        checkFeeds(graph, feeds);
        return session.run(inParts(graph, feeds), fetch);
      },
      release: () => {
        this.sessions.delete(key);
        return session.release();
      },
    };
  }

  /** Releases the sessions compiled so far; the runtime can compile again. */
  async release(): Promise<void> {
    const open = [...this.sessions.values()];
    this.sessions.clear();
    for (const session of await Promise.allSettled(open))
      if (session.status === 'fulfilled') await session.value.release();
  }

  async dispose(): Promise<void> {
    this.disposed = true;
    await this.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}
