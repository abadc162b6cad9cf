import type { RoundingChange } from '../measure/result.ts';
import { number, percent } from './format.ts';

const show = (value: number | null, unit: 'share' | 'number') =>
  value === null ? '–' : unit === 'share' ? percent(value) : number(value);

/** Rows of what rounding changed: name, as stored, rounded, difference. */
export const roundingRows = ({ figures }: RoundingChange): string[][] =>
  figures.map(({ name, unit, stored, rounded }) => [
    name,
    show(stored, unit),
    show(rounded, unit),
    show(stored === null || rounded === null ? null : rounded - stored, unit),
  ]);

export const roundingTitles = ['', 'as stored', 'rounded', 'change'] as const;
