import { bytes } from '../report/format.ts';
import { type Paint, paint, wantsColor } from '../report/terminal/paint.ts';

/** `1.05 GB` with a plain space: for messages, whose other spaces are escaped. */
export const plainBytes = (count: number) => bytes(count).replace('\u00a0', ' ');

/** Where a command writes, so that tests can read it. */
export interface Terminal {
  /** Results: standard output. */
  readonly out: (text: string) => void;
  /** Notes, progress and errors: standard error. */
  readonly err: (text: string) => void;
  /** How results are drawn: colour only where standard output is a terminal. */
  readonly paint: Paint;
  /** What a person types, for a command that asks. Default standard input. */
  readonly input?: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  /** Standard error is a terminal, so progress may be shown and taken back. */
  readonly live: boolean;
}

interface Stream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** The process' own terminal. */
export function processTerminal(
  out: Stream = process.stdout,
  err: Stream = process.stderr,
  env: Record<string, string | undefined> = process.env,
): Terminal {
  return {
    out: (text) => void out.write(text),
    err: (text) => void err.write(text),
    paint: paint({ width: Math.min(out.columns || 100, 140), color: wantsColor(out, env) }),
    live: err.isTTY === true && env.TERM !== 'dumb',
  };
}

/** One line on standard error that is written over; nothing where that is no terminal. */
export class Progress {
  private shown = '';
  private last = 0;

  constructor(private readonly terminal: Terminal) {}

  /** At most twelve times a second. `done` and `total` are any unit; text must be safe to show. */
  show(text: string, share?: number): void {
    if (!this.terminal.live) return;
    const now = Date.now();
    if (now - this.last < 80 && share !== 1) return;
    this.last = now;
    const bar =
      share === undefined ? '' : ` ${'█'.repeat(Math.round(share * 20)).padEnd(20, '░')} ${Math.round(share * 100)} %`;
    this.shown = `${text.slice(0, 60)}${bar}`;
    this.terminal.err(`\r\u001b[K${this.shown}`);
  }

  /** A download: its file name must be safe to show. */
  bytes(file: string, received: number, total: number | undefined): void {
    const amount = total === undefined ? bytes(received) : `${bytes(received)} of ${bytes(total)}`;
    this.show(`${file} ${amount}`, total === undefined || total === 0 ? undefined : received / total);
  }

  clear(): void {
    if (this.shown !== '') this.terminal.err('\r\u001b[K');
    this.shown = '';
  }
}
