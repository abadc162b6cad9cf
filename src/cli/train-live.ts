import { standLine, standLines, type TrainStand } from '../report/train-terminal.ts';
import { Progress, type Terminal } from './terminal.ts';

/** Milliseconds between two drawings, and between two lines of a log. */
const [redraw, log] = [200, 30_000];

/** How a run stands, on standard error: a few lines drawn over where it is a terminal, else a line every so often. */
export class TrainLive {
  /** For what comes before the first step. */
  readonly preparation: Progress;
  private drawn = 0;
  private last = Number.NEGATIVE_INFINITY;
  private tenth = -1;

  constructor(
    private readonly terminal: Terminal,
    signal: AbortSignal,
  ) {
    this.preparation = new Progress(terminal);
    // What Ctrl-C writes stands below: the lines drawn so far are not taken back.
    signal.addEventListener('abort', () => {
      this.drawn = 0;
    });
  }

  show(stand: TrainStand): void {
    this.preparation.clear();
    const { live, err, paint } = this.terminal;
    const now = performance.now();
    const final = stand.step === stand.steps;
    if (live) {
      if (now - this.last < redraw && !final) return;
      const lines = standLines(stand, paint);
      err(`${this.back()}${lines.map((line) => `${line}\n`).join('')}`);
      this.drawn = lines.length;
    } else {
      // The first, each tenth of the way, and in long runs twice a minute.
      const tenth = Math.floor((10 * stand.step) / stand.steps);
      if (now - this.last < log && tenth === this.tenth) return;
      this.tenth = tenth;
      err(`${standLine(stand)}\n`);
    }
    this.last = now;
  }

  /** Takes the lines back, so that others can be written. */
  clear(): void {
    this.preparation.clear();
    if (this.drawn > 0) this.terminal.err(this.back());
    this.drawn = 0;
  }

  private back(): string {
    return this.drawn === 0 ? '' : `\u001b[${this.drawn}A\r\u001b[J`;
  }
}
