/** Chromium's program: `CHROMIUM`, else the first of the usual names on the search path; undefined when there is none. */
export function findChromium(): string | undefined;
