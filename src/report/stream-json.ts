import { writeChecked } from './checked-json.ts';
import { type StreamReport, streamSchema } from './stream.schema.ts';

/** The report as JSON; see `writeChecked`. */
export const writeStreamJson = (report: StreamReport): string => writeChecked('stream', streamSchema, report);
