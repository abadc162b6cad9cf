import { add, concat, expand, rename, size, slice, type Tensor } from '../../tensor/index.ts';
import { attention } from '../attention.ts';
import { cachedDecoding, type DecodingLayer } from '../decoding.ts';
import type { AttentionLayer, KeysAndValues } from '../layer.ts';
import type { MechanismSite } from '../mechanism.ts';
import { softmaxSteps } from '../normalisers/softmax.ts';
import { projections } from '../projections.ts';
import type { Stream } from '../steps.ts';
import { expectWholeText } from '../whole-text.ts';
import { carryOf, flattenCarry, memoryStateSizes } from './memory-decoding.ts';
import { fixedLength, type MemoryCarry } from './neural-memory.ts';
import { persistentTokenSteps } from './persistent-tokens.ts';
import { refusePadding, type TitansOptions, type TitansSetting, titansSetting } from './titans-options.ts';

type Front = Tensor<'B' | 'P' | 'M'>;

/** What a memory gives for the text and for the persistent tokens in front of it. */
interface Read {
  readonly own: Stream;
  readonly front?: Front | undefined;
}

/** A memory that has read the persistent tokens, and what it gave for them. Token t of the text is number N_p + t of the memory. */
function afterFront({ memory, front }: TitansSetting, x: Stream): { carry: MemoryCarry; front?: Front } {
  if (!front) return { carry: memory.start() };
  const tokens = rename(expand(front, { B: size(x, 'B') }), 'P', 'T');
  const { z, carry } = memory.advance(tokens, memory.start(), 0);
  return { carry, front: rename(memory.output(z, tokens), 'T', 'P') };
}

/** What the memory gives for a whole text behind the persistent tokens. */
function readWhole(setting: TitansSetting, x: Stream): Read {
  fixedLength(x);
  const { memory, front, persistent } = setting;
  const tokens = front ? rename(expand(front, { B: size(x, 'B') }), 'P', 'T') : undefined;
  const all = tokens ? concat([tokens, x], 'T') : x;
  const y = memory.output(memory.advance(all, memory.start(), 0).z, all);
  if (!tokens) return { own: y };
  const end = size(all, 'T');
  return { own: slice(y, 'T', persistent, end), front: rename(slice(y, 'T', 0, persistent), 'T', 'P') };
}

/** Window attention behind persistent tokens; `output` ends it. */
function windowAttention(
  { sizes, position, at }: MechanismSite,
  { window, persistent }: TitansSetting,
  front: Tensor<'P' | 'M'> | Front | undefined,
  join: (y: Stream, x: Stream) => Stream,
): AttentionLayer {
  const { output, ...project } = projections(at, sizes, { inputs: false, output: false });
  return attention({
    ...project,
    ...position,
    steps(given) {
      const options = {
        ...{ scale: sizes.D ** -0.5, window },
        output: (z: Parameters<typeof output>[0]) => join(output(z), given.x),
      };
      if (!front) return softmaxSteps(options);
      const { rotary } = position;
      return persistentTokenSteps(options, given, { tokens: front, count: persistent, project, rotary });
    },
  });
}

/** One token at a time: the memory's step, then what is made of it, with a state of its own. */
function decodingWith(
  site: MechanismSite,
  setting: TitansSetting,
  layerOf: (read: () => Read) => AttentionLayer,
): DecodingLayer {
  const wanted = memoryStateSizes(setting.memory, site.sizes);
  const cached = (read: () => Read) => cachedDecoding(layerOf(read), site.sizes);
  return {
    state(past) {
      const unread = () => {
        throw new Error('titans: sizes of the state do not depend on what the memory gives');
      };
      return { ...cached(unread).state(past), ...wanted };
    },
    step(x, state, past, hook) {
      const { memory, persistent } = setting;
      const begin = afterFront(setting, x);
      const carry = carryOf(state, begin.carry, { wanted, x, index: past.index });
      const made = memory.advanceToken(x, carry, add(past.index, persistent));
      const own = memory.output(made.z, x);
      const { output, state: next } = cached(() => ({ ...begin, own })).step(x, state, past, hook);
      return { output, state: { ...next, ...flattenCarry(made.carry, wanted, size(x, 'B')) } };
    },
  };
}

/** Memory as gate (MAG): x̃ = [P ‖ x], o = SWA(x̃) ⊗ M(x̃). */
export function memoryAsGate(site: MechanismSite, options: TitansOptions) {
  const setting = titansSetting(site, options);
  const layer = (read: (x: Stream) => Read) =>
    windowAttention(site, setting, setting.front, (y, x) => setting.join(y, read(x).own));
  return { whole: wholeOnly(layer((x) => readWhole(setting, x))), decoding: () => decodingWith(site, setting, layer) };
}

/** Memory as layer (MAL): x̃ = [P ‖ x], o = SWA(M(x̃)). */
export function memoryAsLayer(site: MechanismSite, options: TitansOptions) {
  const setting = titansSetting(site, options);
  interface WithRead extends KeysAndValues {
    readonly read: Read;
  }
  const layer = (read: (x: Stream) => Read): AttentionLayer => {
    const over = (front: Front | undefined) => windowAttention(site, setting, front, (y) => y);
    return {
      keysAndValues(x, places, hook): WithRead {
        const made = read(rename(x, 'S', 'T'));
        const kv = over(made.front).keysAndValues(rename(made.own, 'T', 'S'), places, hook);
        return { ...kv, read: made };
      },
      attend(x, kv, places, hook) {
        // Keys and values of this layer bring along what the memory gave: the queries are made of it.
        const made = (kv as Partial<WithRead>).read ?? read(x);
        return over(made.front).attend(made.own, kv, places, hook);
      },
    };
  };
  return { whole: wholeOnly(layer((x) => readWhole(setting, x))), decoding: () => decodingWith(site, setting, layer) };
}

/** The memory alone (LMM): o = M(x). Its keys and values are those that the memory learns. */
export function memoryAlone(site: MechanismSite, options: TitansOptions) {
  const setting = titansSetting(site, { ...options, persistent: 0 });
  const { memory } = setting;
  const wanted = memoryStateSizes(memory, site.sizes);
  const whole: AttentionLayer = {
    keysAndValues(x, _, hook) {
      const { k, v } = memory.tokens(rename(x, 'S', 'T')).tokens;
      const own = (rows: typeof k) => rename(rows, 'T', 'S');
      const key = hook('attn.k.hook_out', own(k));
      return { k: hook('attn.hook_rot_k', key), v: hook('attn.v.hook_out', own(v)) };
    },
    attend(x, { k, v }, _, hook) {
      const here = memory.tokens(x).tokens;
      const own = (rows: typeof k) => rename(rows, 'S', 'T');
      const q = hook('attn.hook_rot_q', hook('attn.q.hook_out', here.q));
      const z = memory.recall({ ...here, q, k: own(k), v: own(v) }, fixedLength(x));
      return hook('attn.hook_out', memory.output(hook('attn.hook_z', z), x));
    },
  };
  const decoding = (): DecodingLayer => ({
    state: () => wanted,
    step(x, state, past, hook) {
      const carry = carryOf(state, memory.start(), { wanted, x, index: past.index });
      const made = memory.advanceToken(x, carry, past.index);
      const output = hook('attn.hook_out', memory.output(hook('attn.hook_z', made.z), x));
      return { output, state: flattenCarry(made.carry, wanted, size(x, 'B')) };
    },
  });
  return { whole: wholeOnly(whole), decoding };
}

/** A memory reads texts from their first token on, without padding. */
export function wholeOnly(layer: AttentionLayer): AttentionLayer {
  return {
    ...layer,
    attend(x, kv, places, hook) {
      refusePadding(places);
      expectWholeText('titans', places);
      return layer.attend(x, kv, places, hook);
    },
  };
}
