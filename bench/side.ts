import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';

export interface Ready {
  readonly loadSeconds: number;
  readonly firstSeconds: number;
  readonly version?: string;
}

export interface Timed {
  readonly seconds: number;
  readonly peakBytes: number;
  /** Of the step that was timed, where it is one of training. */
  readonly loss?: number;
}

/** One mode of one library, alive in a process of its own, so that runs of all sides can alternate. */
export class Side {
  readonly runs: Timed[] = [];
  ready: Ready | undefined;
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly lines: AsyncIterator<string>;
  private readonly reader: Interface;
  private errors = '';

  constructor(
    readonly name: string,
    command: string,
    args: readonly string[],
  ) {
    this.child = spawn(command, args, { env: { ...process.env, HF_HUB_OFFLINE: '1' } });
    this.child.stderr.on('data', (text) => {
      this.errors = (this.errors + text).slice(-2000);
    });
    this.child.on('error', (error) => {
      this.errors += error.message;
    });
    this.child.stdin.on('error', () => {});
    this.reader = createInterface({ input: this.child.stdout });
    this.lines = this.reader[Symbol.asyncIterator]();
  }

  /** Waits for the end of the first run, which compiles. */
  async open(): Promise<void> {
    this.ready = await this.line<Ready>();
  }

  async run(): Promise<void> {
    this.runs.push(await this.once());
  }

  /** A run that does not count. */
  async once(): Promise<Timed> {
    this.child.stdin.write('\n');
    return this.line<Timed>();
  }

  /** Sends one line of JSON and waits for the one that answers it. */
  async ask<T>(request: object): Promise<T> {
    this.child.stdin.write(`${JSON.stringify(request)}\n`);
    return this.line<T>();
  }

  close(): void {
    this.child.stdin.end();
    this.child.kill();
  }

  private async line<T>(): Promise<T> {
    for (;;) {
      const { value, done } = await this.lines.next();
      if (done) throw new Error(`${this.name} ended early:\n${this.errors}`);
      if (value.startsWith('{')) return JSON.parse(value) as T;
    }
  }
}
