import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** The folder of reference fixtures: `SINKLAB_FIXTURES`, else `../shared/fixtures` beside the checkout, else undefined. */
export function fixtures(): string | undefined {
  const named = process.env.SINKLAB_FIXTURES;
  if (named !== undefined) return existsSync(named) ? named : undefined;
  const shared = here('../../shared/fixtures');
  return existsSync(shared) ? shared : undefined;
}

/** A fixture kept in the repository (`test/fixtures/<name>`): always there. */
export function bundled(name: string): string {
  return here(`./fixtures/${name}`);
}
