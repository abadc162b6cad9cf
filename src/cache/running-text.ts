/** What a token adds to a text, and whether a stop string ended it. */
export interface TextPiece {
  readonly text: string;
  readonly stopped: boolean;
}

/**
 * The text of tokens as they come, each given as bytes. Parts of a character wait for the rest of it, and text that may be the start of a
 * stop string waits until it cannot be one.
 */
export class RunningText {
  private readonly decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  private held = '';

  constructor(private readonly stops: readonly string[] = []) {}

  /** Text that may be shown now. From the first stop string on, nothing is. */
  push(bytes: Uint8Array): TextPiece {
    this.held += this.decoder.decode(bytes, { stream: true });
    const found = this.stops.map((stop) => this.held.indexOf(stop)).filter((at) => at >= 0);
    const stopped = found.length > 0;
    const end = stopped ? Math.min(...found) : this.safeEnd();
    const text = this.held.slice(0, end);
    this.held = stopped ? '' : this.held.slice(end);
    return { text, stopped };
  }

  /** What still waits, at the end of the text. A character that is cut is U+FFFD. */
  end(): string {
    const text = this.held + this.decoder.decode();
    this.held = '';
    return text;
  }

  /** Where the longest end of the held text begins that is the start of a stop string. */
  private safeEnd(): number {
    const longest = Math.max(0, ...this.stops.map(({ length }) => length - 1));
    for (let at = Math.max(0, this.held.length - longest); at < this.held.length; at++)
      if (this.stops.some((stop) => stop.startsWith(this.held.slice(at)))) return at;
    return this.held.length;
  }
}
