/** Where the pattern stands on its canvas and what of it is shown. */
export interface AxesFrame {
  /** The square of the pattern on the canvas, in CSS pixels. */
  left: number;
  top: number;
  size: number;
  view: { query: number; key: number; n: number };
  ink: string;
  /** Left edge of the learned sink's column, null without one. */
  sinkAt: number | null;
  narrow: boolean;
}

export type AxesPainter = typeof axes;

/** Labels the pattern: positions while cells are small, tokens once there is room; queries down, keys across. */
export function axes(c: CanvasRenderingContext2D, frame: AxesFrame, token: (position: number) => string): void {
  const { left, top, size, view, sinkAt } = frame;
  const each = size / view.n;
  const texts = each >= 12;
  const step = texts ? 1 : ([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000].find((s) => s * each >= 36) ?? 5000);
  const edge = sinkAt ?? left;
  const label = (s: number, room: number) => {
    let text = texts ? token(s) : String(s);
    if (!texts || c.measureText(text).width <= room) return text;
    while (text.length > 1 && c.measureText(`${text}…`).width > room) text = text.slice(0, -1);
    return `${text}…`;
  };
  const upright = (x: number, y: number, align: CanvasTextAlign, text: string) => {
    c.save();
    c.translate(x, y);
    c.rotate(-Math.PI / 2);
    c.textAlign = align;
    c.fillText(text, 0, 0);
    c.restore();
  };
  const start = (from: number) => Math.ceil(from / step) * step;

  c.fillStyle = frame.ink;
  c.font = '11px system-ui, sans-serif';
  c.textBaseline = 'middle';
  c.textAlign = 'right';
  for (let t = start(view.query); t < view.query + view.n; t += step)
    c.fillText(label(t, edge - 20), edge - 5, top + (t - view.query + 0.5) * each);
  for (let s = start(view.key); s < view.key + view.n; s += step) {
    const x = left + (s - view.key + 0.5) * each;
    if (texts) {
      upright(x, top - 5, 'left', label(s, top - 22));
      continue;
    }
    c.textAlign = x > left + size - 14 ? 'right' : 'center';
    c.fillText(String(s), x, top - 9);
  }
  c.textAlign = 'left';
  c.font = '600 11px system-ui, sans-serif';
  c.fillText('keys →', left, 8);
  upright(8, top, 'right', '← queries');
  if (sinkAt !== null) upright(sinkAt + 6, top - 5, 'left', frame.narrow ? 'sink' : 'learned sink');
}
