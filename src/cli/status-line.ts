import type { Terminal } from './terminal.ts';

/**
 * One line below text that is being written, on standard error; nothing where that is no terminal. The text's own place is kept with the
 * sequences of a VT100: index and reverse index, save and restore the cursor.
 */
export class StatusLine {
  private drawn = false;

  constructor(private readonly terminal: Terminal) {}

  /** Draws the line; text must be safe to show. */
  show(text: string): void {
    const { live, err, paint } = this.terminal;
    if (!live) return;
    const line = paint.color ? paint.style.dim(text.slice(0, paint.width - 1)) : text.slice(0, paint.width - 1);
    err(`\u001bD\u001bM\u001b7\u001b[1B\r\u001b[K${line}\u001b8`);
    this.drawn = true;
  }

  /** Takes the line back: before more text, and at the end. */
  clear(): void {
    if (this.drawn) this.terminal.err('\u001b[J');
    this.drawn = false;
  }
}
