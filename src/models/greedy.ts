import { InputError, RunError } from '../error.ts';
import type { HostTensor } from '../runtime/backend.ts';
import type { Program } from '../runtime/runtime.ts';
import { input, size, sizes, slice, type Tensor } from '../tensor/index.ts';
import { compileOver, weightFeeds } from './compile.ts';
import { embedded, named } from './feed.ts';
import { finalStream } from './forward.ts';
import type { HookName } from './hook-names.ts';
import { createHooks, type Edit } from './hooks.ts';
import type { MemoryBatch } from './input.ts';
import type { Model } from './model.ts';
import { run } from './run.ts';
import { readsTokens, type TokenStack } from './stack.ts';

export interface GreedyOptions {
  /** Ids that the text begins with, at least one. */
  readonly start: readonly number[];
  /** Ids that end the text. */
  readonly stop: readonly number[];
  /** Tokens of the text at most, those that it begins with among them. Default: as many as the stack has positions for. */
  readonly longest?: number | undefined;
  /** May this id come `given` tokens after the beginning? Default: any. */
  readonly allows?: (id: number, given: number) => boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface GreedyText {
  /** The beginning and what follows it, without the id that ended it. */
  readonly ids: readonly number[];
  /** Did one of the stop ids end it? Else it is as long as it may be. */
  readonly ended: boolean;
}

/**
 * The text that a decoder gives for a memory, each token the most probable after those before it. Keys and values of the memory are made once;
 * the decoder reads the whole text again for each token.
 *
 * @throws InputError for a model that looks at no memory or has no logits, and for options outside their range; the signal's reason when it
 * aborts.
 */
export async function greedyText(model: Model, memory: MemoryBatch, options: GreedyOptions): Promise<GreedyText> {
  const { stack } = model;
  if (!readsTokens(stack) || !stack.memory || !stack.unembed)
    throw new InputError(`${named(stack)}: expected a decoder that looks at what an encoder gave`);
  const { start, stop, signal, allows = () => true } = options;
  const most = Math.min(stack.sizes.maxPositions, stack.embeddedPositions ?? Number.POSITIVE_INFINITY);
  const longest = options.longest ?? most;
  if (!Number.isSafeInteger(longest) || longest < 1 || longest > most)
    throw new InputError(`longest: ${named(stack)} writes texts of 1 to ${most} tokens, got ${longest}`);
  if (start.length === 0 || start.length > longest)
    throw new InputError(`start: expected 1 to ${longest} token ids, got ${start.length}`);
  if (memory.shape[0] !== 1) throw new InputError(`memory: expected one text, got a batch of ${memory.shape[0]}`);
  const made = await keysAndValues(model, memory, start);
  const ids = [...start];
  const next = await compiled(model, stack, memory.real !== undefined);
  try {
    while (ids.length < longest) {
      signal?.throwIfAborted();
      const logits = await next.logits({ ...made, ...idsFeed(ids) });
      const id = largest(logits, (candidate) => allows(candidate, ids.length - start.length));
      if (stop.includes(id)) return { ids, ended: true };
      ids.push(id);
    }
    return { ids, ended: false };
  } finally {
    await next.release();
  }
}

const idsFeed = (ids: readonly number[]): Record<string, HostTensor> => ({
  ids: { type: 'int64', shape: [1, ids.length], data: BigInt64Array.from(ids, BigInt) },
});

/** What blocks make of the memory alone. */
const [keys, values] = ['blocks.*.cross_attn.hook_rot_k', 'blocks.*.cross_attn.v.hook_out'] as const;
const inputName = (hook: HookName) => hook.replaceAll('.', '_');

async function keysAndValues(
  model: Model,
  memory: MemoryBatch,
  start: readonly number[],
): Promise<Record<string, HostTensor>> {
  const { captured } = await run(model, { ids: [start], memory }, { capture: [keys, values], logits: false });
  const padding: Record<string, HostTensor> = memory.real
    ? { memory_real: { type: 'bool', shape: memory.shape.slice(0, 2), data: memory.real } }
    : {};
  return {
    ...padding,
    ...Object.fromEntries([...captured].map(([name, value]) => [inputName(name), { ...value, reused: true as const }])),
  };
}

/** How many texts are being written with the program of a stack. */
const writing = new WeakMap<object, number>();

/** The program from a text, and keys and values of the memory, to the logits of the token after it. */
async function compiled(model: Model, stack: TokenStack, padded: boolean) {
  const fed: Edit<'B' | 'S' | 'G' | 'D'> = (value, { name }) =>
    input(inputName(name), Object.fromEntries(sizes(value)) as Record<'B' | 'S' | 'G' | 'D', never>);
  const hooks = createHooks({ edit: { [keys]: fed, [values]: fed } });
  const last = finalStream(stack, embedded(stack, { memory: { M: stack.memory!.M, padded } }), hooks);
  const T = size(last, 'T');
  const logits = stack.unembed!(slice(last, 'T', T.minus(1), T));
  writing.set(stack, (writing.get(stack) ?? 0) + 1);
  let program: Program | undefined;
  const release = async () => {
    const others = (writing.get(stack) ?? 1) - 1;
    writing.set(stack, others);
    if (others === 0) await program?.release();
  };
  try {
    const made = await compileOver(model, { logits: { value: logits as Tensor<string>, order: ['B', 'T', 'V'] } });
    program = made.program;
    const { graph, program: next } = made;
    const weights = Object.entries(await weightFeeds(model, graph));
    const held = Object.fromEntries(weights.map(([name, weight]) => [name, { ...weight, reused: true as const }]));
    return {
      release,
      async logits(feeds: Readonly<Record<string, HostTensor>>): Promise<Float32Array> {
        const all: Record<string, HostTensor> = { ...held };
        for (const { name } of graph.inputs) if (feeds[name]) all[name] = feeds[name];
        return (await next.run(all)).logits!.data as Float32Array;
      },
    };
  } catch (error) {
    await release();
    throw error;
  }
}

/** The id of the largest logit among those that are allowed, the first of equal ones. */
function largest(logits: Float32Array, allows: (id: number) => boolean): number {
  let best = -1;
  for (let id = 0; id < logits.length; id++)
    if ((best < 0 || logits[id]! > logits[best]!) && !Number.isNaN(logits[id]!) && allows(id)) best = id;
  if (best < 0) throw new RunError('greedy text: no token is allowed that has a number as its logit');
  return best;
}
