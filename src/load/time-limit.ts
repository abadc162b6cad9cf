import { LoadError, RunError } from '../error.ts';

interface NodeVm {
  Script: new (code: string) => { runInContext(context: object, options: { timeout: number }): unknown };
  createContext(value: object): object;
}

let enter: ((milliseconds: number, work: () => unknown) => unknown) | undefined;

/** In Node the engine itself ends the work, inside a regular expression too; elsewhere a page runs such work in a Worker it can end. */
function limiter() {
  if (enter !== undefined) return enter;
  const host = (
    globalThis as { process?: { versions?: { node?: string }; getBuiltinModule?: (name: string) => unknown } }
  ).process;
  if (host?.versions?.node === undefined) {
    enter = (_, work) => work();
    return enter;
  }
  const vm = host.getBuiltinModule?.('node:vm') as NodeVm | undefined;
  if (vm === undefined) throw new RunError(`Node 20.16 or newer is needed, this is ${host.versions.node}; update Node`);
  const script = new vm.Script('work()');
  const shared: { work?: () => unknown } = {};
  const context = vm.createContext(shared);
  enter = (milliseconds, work) => {
    shared.work = work;
    return script.runInContext(context, { timeout: milliseconds });
  };
  return enter;
}

/**
 * Runs synchronous work that an untrusted file defines (a tokenizer's regular expressions, a chat template) for at most `milliseconds`.
 *
 * @param what names the file and the work in the error.
 * @throws LoadError when the time is over; whatever `work` throws otherwise.
 */
export function withTimeLimit<T>(what: string, milliseconds: number, work: () => T): T {
  try {
    return limiter()(milliseconds, work) as T;
  } catch (error) {
    if ((error as { code?: unknown } | null)?.code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    throw new LoadError(
      `${what}: not finished after ${milliseconds} ms; a pattern or template in the file is too slow or never ends, use another copy of the model`,
    );
  }
}
