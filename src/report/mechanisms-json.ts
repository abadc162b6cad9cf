import { writeChecked } from './checked-json.ts';
import { type MechanismsReport, mechanismsSchema } from './mechanisms.schema.ts';

/** The report as JSON; see `writeChecked`. */
export const writeMechanismsJson = (report: MechanismsReport): string =>
  writeChecked('mechanisms', mechanismsSchema, report);
