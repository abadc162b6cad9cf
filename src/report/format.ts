/** Numbers as people read them; the same in every view. */

/** A share in [0, 1] as percent: `54.2 %` (with a no-break space); below 0.1 % two significant digits; `0 %` for exactly 0. */
export function percent(share: number, digits = 1): string {
  if (!Number.isFinite(share)) return '–';
  const sign = share < 0 ? '−' : '';
  const size = Math.abs(share) * 100;
  if (size === 0) return '0\u00a0%';
  return `${sign}${size < 0.1 ? Number(size.toPrecision(2)) : size.toFixed(digits)}\u00a0%`;
}

/** Three significant digits, thousands parted by a no-break space: `9 100`, `0.0123`. */
export function number(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return '–';
  const sign = value < 0 ? '−' : '';
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e9 || size < 1e-4)) return `${sign}${size.toExponential(1)}`;
  return sign + grouped(Number(size.toPrecision(digits)));
}

/** An integer in full, thousands parted by a no-break space. */
export function integer(value: number): string {
  return (value < 0 ? '−' : '') + grouped(Math.abs(Math.round(value)));
}

function grouped(size: number): string {
  const [whole, part] = String(size).split('.');
  const parted = whole!.length > 4 ? whole!.replace(/\B(?=(\d{3})+$)/g, '\u00a0') : whole!;
  return part === undefined ? parted : `${parted}.${part}`;
}

/** `1.05 GB`; 1 GB is 10⁹ bytes. */
export function bytes(count: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  let size = count;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${unit === 0 ? size : size.toPrecision(3)}\u00a0${units[unit]}`;
}

/** Runs of consecutive numbers joined: `0–3, 7`. */
export function ranges(values: readonly number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < values.length; ) {
    let end = i;
    while (values[end + 1] === values[end]! + 1) end++;
    parts.push(end === i ? String(values[i]) : `${values[i]}–${values[end]}`);
    i = end + 1;
  }
  return parts.join(', ');
}

export function mean(values: readonly number[]): number {
  let sum = 0;
  for (const value of values) sum += value;
  return values.length === 0 ? 0 : sum / values.length;
}

export function largest(values: readonly number[]): number {
  let top = Number.NEGATIVE_INFINITY;
  for (const value of values) if (value > top) top = value;
  return values.length === 0 ? 0 : top;
}
