import { writeChecked } from './checked-json.ts';
import { type EmergenceReport, emergenceSchema } from './emergence.schema.ts';

/** The report as JSON; see `writeChecked`. */
export const writeEmergenceJson = (report: EmergenceReport): string =>
  writeChecked('emergence', emergenceSchema, report);
