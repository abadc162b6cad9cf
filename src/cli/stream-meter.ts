import { mostPoints, type StreamReport } from '../report/stream.schema.ts';

type Point = StreamReport['curve'][number];

/** Time and loss of tokens as they come, in constant memory: stretches of equal length, two joined to one when there are too many. */
export class StreamMeter {
  tokens = 0;
  seconds = 0;
  private losses = 0;
  private stretch = 16;
  private done: Point[] = [];
  private open = { tokens: 0, milliseconds: 0, loss: 0 };

  constructor(private readonly residentBytes: () => number = () => process.memoryUsage.rss()) {}

  add(milliseconds: number, logProbability: number): void {
    this.tokens++;
    this.seconds += milliseconds / 1000;
    this.losses -= logProbability;
    const { open } = this;
    open.tokens++;
    open.milliseconds += milliseconds;
    open.loss -= logProbability;
    if (open.tokens === this.stretch) this.close();
  }

  get tokensPerSecond(): number {
    return this.seconds > 0 ? this.tokens / this.seconds : 0;
  }

  /** Mean −log p; undefined before the first token. */
  get loss(): number | undefined {
    return this.tokens > 0 ? this.losses / this.tokens : undefined;
  }

  /** The stretches, the last of which may be shorter. */
  get curve(): Point[] {
    const { tokens } = this.open;
    return tokens === 0 ? this.done : [...this.done, this.point()];
  }

  private point(): Point {
    const { tokens, milliseconds, loss } = this.open;
    return {
      ...{ from: this.tokens - tokens, tokens },
      ...{ milliseconds: milliseconds / tokens, loss: loss / tokens, residentBytes: this.residentBytes() },
    };
  }

  private close(): void {
    this.done.push(this.point());
    this.open = { tokens: 0, milliseconds: 0, loss: 0 };
    if (this.done.length < mostPoints - 1) return;
    const odd = this.done.length % 2 === 1 ? this.done.pop() : undefined;
    this.done = this.done.flatMap((point, i) => (i % 2 === 0 ? [joined(point, this.done[i + 1]!)] : []));
    this.stretch *= 2;
    if (odd)
      this.open = { tokens: odd.tokens, milliseconds: odd.milliseconds * odd.tokens, loss: odd.loss * odd.tokens };
  }
}

const joined = (a: Point, b: Point): Point => ({
  ...b,
  ...{ from: a.from, tokens: a.tokens + b.tokens },
  milliseconds: (a.milliseconds + b.milliseconds) / 2,
  loss: (a.loss + b.loss) / 2,
});
