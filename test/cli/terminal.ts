import { runCommandLine } from '../../src/cli/program.ts';
import { paint } from '../../src/report/terminal/paint.ts';

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs one command line in this process, with what it writes collected. */
export async function sinklab(...args: string[]): Promise<Outcome> {
  let [out, err] = ['', ''];
  const terminal = {
    out: (text: string) => {
      out += text;
    },
    err: (text: string) => {
      err += text;
    },
    paint: paint({ width: 100, color: false }),
    live: false,
  };
  const code = await runCommandLine(args, terminal, new AbortController().signal);
  return { code, out, err };
}
