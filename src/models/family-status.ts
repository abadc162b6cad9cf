import type { Family, FamilyInput, SinkPortrait } from './family.ts';
import { type Parity, parity } from './parity.ts';
import { type RefusedFamily, refusedFamilies } from './refused-families.ts';

/**
 * How far a family can be relied on. `supported`: compared with its reference implementation, nothing known to be missing. `partly`:
 * releases of it are refused or parts of them not read, or there was no reference to compare with. `refused`: not read at all.
 */
export type FamilyState = 'supported' | 'partly' | 'refused';

/** One row of the status table. */
export interface FamilyStatus {
  readonly name: string;
  readonly modelTypes: readonly string[];
  readonly title: string;
  readonly source?: string;
  readonly about: string;
  readonly state: FamilyState;
  readonly reads: readonly FamilyInput[];
  /** Largest |a − b| / max(1, |b|) over everything compared with its reference implementation; absent where nothing was. */
  readonly parity?: number;
  /** Checkpoints that this is the largest difference of. */
  readonly fixtures: readonly Parity[];
  /** `general.architecture` of the GGUF files that are read. */
  readonly gguf: readonly string[];
  readonly sinks?: SinkPortrait;
  /** What is refused or missing. */
  readonly notes: readonly string[];
}

/** A row for each family, and one for each that is refused. */
export function familyStatus(families: readonly Family[]): FamilyStatus[] {
  const read = families.map((family): FamilyStatus => {
    const { name, modelTypes, title, source, about, sinks, reads = ['text'], gguf = [], limits = [] } = family;
    const fixtures = parity[name] ?? [];
    const largest = Math.max(...fixtures.map((fixture) => fixture.largest));
    return {
      ...{ name, modelTypes, title, about, reads, fixtures, gguf },
      state: limits.length > 0 || fixtures.length === 0 ? 'partly' : 'supported',
      ...(source === undefined ? {} : { source }),
      ...(fixtures.length === 0 ? {} : { parity: largest }),
      ...(sinks === undefined ? {} : { sinks }),
      notes: [...limits, ...(fixtures.length === 0 ? ['Not compared with a reference implementation.'] : [])],
    };
  });
  return [...read, ...refusedFamilies.map(refusedStatus)];
}

const refusedStatus = ({ name, modelTypes, title, reason }: RefusedFamily): FamilyStatus => ({
  ...{ name, modelTypes, title, about: '', state: 'refused', reads: [], fixtures: [], gguf: [], notes: [reason] },
});
