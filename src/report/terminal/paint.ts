import picocolors from 'picocolors';

/** How a terminal view is drawn; the same for every view. */
export interface TerminalOptions {
  /** Columns to fill, 40 and up. Default 80. */
  width?: number;
  /** Whether escape sequences for colour are written. Default false. */
  color?: boolean;
}

export interface Paint {
  width: number;
  color: boolean;
  style: ReturnType<typeof picocolors.createColors>;
}

export function paint(options: TerminalOptions): Paint {
  const color = options.color ?? false;
  return { width: Math.max(40, Math.floor(options.width ?? 80)), color, style: picocolors.createColors(color) };
}

/** Whether to colour: FORCE_COLOR decides if set (0 is no), then NO_COLOR, then whether the stream is a terminal. */
export function wantsColor(stream: { isTTY?: boolean }, env: Record<string, string | undefined>): boolean {
  const forced = env.FORCE_COLOR;
  if (forced !== undefined && forced !== '') return forced !== '0' && forced !== 'false';
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== '') return false;
  return stream.isTTY === true && env.TERM !== 'dumb';
}

/** Viridis in the 256-colour palette, dark to bright: luminance rises with every step. */
export const ramp = [53, 54, 55, 24, 31, 36, 41, 77, 112, 148, 184, 227] as const;
const darkTextFrom = 4;

/** Shades without colour; the third bound is the customary epsilon of the sink rate. */
export const shades = [
  { glyph: ' ', from: 0 },
  { glyph: '░', from: 0.03 },
  { glyph: '▒', from: 0.1 },
  { glyph: '▓', from: 0.3 },
  { glyph: '█', from: 0.6 },
] as const;

/** One cell of a heat map, `width` columns wide, for a share in [0, 1]; in colour and from 3 columns on with its percentage. */
export function heat(value: number, width: number, { color }: Paint): string {
  if (!color) return shades.findLast((shade) => value >= shade.from || shade.from === 0)!.glyph.repeat(width);
  const step = Math.min(ramp.length - 1, Math.max(0, Math.floor(value * ramp.length)));
  const text =
    width >= 3
      ? String(Math.round(value * 100))
          .padStart(width - 1)
          .padEnd(width)
      : ' '.repeat(width);
  return `\u001b[${step >= darkTextFrom ? 30 : 97};48;5;${ramp[step]}m${text}\u001b[0m`;
}

/** The legend of `heat`. */
export function heatLegend(it: Paint): string {
  if (it.color) return `0 ${ramp.map((_, i) => heat(i / ramp.length, 2, it)).join('')} 100 %`;
  return shades
    .map(({ glyph, from }, i) => {
      const next = shades[i + 1];
      const bounds = next ? `${from * 100}–${next.from * 100}` : `≥ ${from * 100}`;
      return i === 0 ? `blank\u00a0<\u00a0${next!.from * 100}` : `${glyph}\u00a0${bounds.replace(' ', '\u00a0')}`;
    })
    .join('  ')
    .concat('\u00a0%');
}

const bars = '▁▂▃▄▅▆▇█';

/** A bar whose height is the square root of a share in [0, 1]. */
export function bar(value: number): string {
  return bars[Math.min(7, Math.max(0, Math.floor(Math.sqrt(Math.max(0, value)) * 8)))]!;
}

export const barLegend = 'bar: square root of the share, ▁ < 1.6  ▃ 6–14  ▅ 25–39  █ ≥ 77 %';

/** Bars for values between `least` and `most`, at most `width` of them (then each is the mean of its values); a blank for what is no number. */
export function spark(values: readonly number[], least: number, most: number, log: boolean, width: number): string {
  const step = Math.ceil(values.length / width);
  const scale = (value: number) => (log ? Math.log(value) : value);
  const span = scale(most) - scale(least);
  let line = '';
  for (let i = 0; i < values.length; i += step) {
    const part = values.slice(i, i + step).filter((value) => Number.isFinite(value) && (!log || value > 0));
    const height = (scale(part.reduce((a, b) => a + b, 0) / part.length) - scale(least)) / span;
    line += part.length === 0 ? ' ' : bars[Math.min(7, Math.max(0, Math.floor((span > 0 ? height : 0) * 8)))];
  }
  return line;
}
