import { writeChecked } from './checked-json.ts';
import { type ClaimsReport, claimsSchema } from './claims.schema.ts';

/** The report as JSON; see `writeChecked`. */
export const writeClaimsJson = (report: ClaimsReport): string => writeChecked('claims', claimsSchema, report);
