import { cachedDecoding } from '../decoding.ts';
import { layerWithSteps } from '../layer-with-steps.ts';
import type { Mechanism, MechanismFile, MechanismSite } from '../mechanism.ts';
import { softmaxSteps } from '../normalisers/softmax.ts';
import { projections } from '../projections.ts';
import { memoryAsContext } from '../recurrent/memory-as-context.ts';
import { memoryAlone, memoryAsGate, memoryAsLayer } from '../recurrent/memory-with-attention.ts';
import { neuralMemoryInitial } from '../recurrent/neural-memory.ts';
import { persistentTokenSteps } from '../recurrent/persistent-tokens.ts';
import { type TitansOptions, titansSetting } from '../recurrent/titans-options.ts';

/**
 * Titans, 2501.00663: a network whose weights are the memory learns, while reading, to map keys to values of the tokens seen; attention
 * over a window is the short-term memory, and a few learned tokens in front of every window are a learned sink.
 *
 * S_t = η_t S_{t−1} − θ_t ∇‖M_{t−1}(k_t) − v_t‖², M_t = (1 − α_t) M_{t−1} + S_t, y_t = M_t(q_t)
 *
 * Chunks are unrolled, so a whole text has a fixed length; a segment (attention) is not a chunk (inner gradient). The memory is one for
 * each key/value head, read by its R query heads; its tensors are below `self_attn.memory.`, P is `self_attn.persistent_memory`.
 */
export type MemoryVariantOptions = Omit<TitansOptions, 'retrieved'>;

const source = '2501.00663';

interface Built {
  readonly whole: ReturnType<Mechanism['attention']>;
  readonly decoding: () => ReturnType<NonNullable<Mechanism['decoding']>>;
}

function titans(
  kind: string,
  options: TitansOptions,
  {
    rows,
    build,
  }: { readonly rows: Mechanism['rows']; readonly build: (site: MechanismSite, options: TitansOptions) => Built },
): Mechanism {
  const said = Object.entries(options).map(([name, value]) => `${name} ${value}`);
  return {
    name: ['titans', [kind, ...said].join(', ')].join(': '),
    ...{ source, rows },
    attention: (site) => build(site, options).whole,
    decoding: (site) => build(site, options).decoding(),
    initial: (name, shape, random) =>
      persistentInitial(name, shape, random) ?? neuralMemoryInitial(name, shape, random),
  };
}

const rowsWith = ({ persistent = 4 }: TitansOptions, beside = false) => (persistent > 0 || beside ? 'part' : 'one');

/** The memory alone, in place of attention: no pattern. */
export function titansMemory(options: Omit<MemoryVariantOptions, 'persistent' | 'window' | 'gate'> = {}): Mechanism {
  return titans('memory alone', options, { rows: 'none', build: memoryAlone });
}

/** Memory as context (MAC): segments that see persistent tokens and what the memory retrieved for them; the memory learns their outputs. */
export function titansContext(options: TitansOptions = {}): Mechanism {
  const { retrieved = true } = options;
  return titans('memory as context', options, { rows: rowsWith(options, retrieved), build: memoryAsContext });
}

/** Memory as gate (MAG): window attention behind persistent tokens, times a gate made of the memory. */
export function titansGate(options: MemoryVariantOptions = {}): Mechanism {
  return titans('memory as gate', options, { rows: rowsWith(options), build: memoryAsGate });
}

/** Memory as layer (MAL): window attention over what the memory gives. */
export function titansLayer(options: Omit<MemoryVariantOptions, 'gate'> = {}): Mechanism {
  return titans('memory as layer', options, { rows: rowsWith(options), build: memoryAsLayer });
}

/** The short-term memory alone: window attention behind persistent tokens, or without them. The arm the others are compared with. */
export function titansWindow({ persistent = 4, window }: Pick<TitansOptions, 'persistent' | 'window'> = {}): Mechanism {
  return {
    name: `titans: window alone, persistent ${persistent}`,
    source,
    rows: rowsWith({ persistent }),
    attention(site) {
      const setting = titansSetting(site, { persistent, ...(window === undefined ? {} : { window }) });
      const { front } = setting;
      const project = projections(site.at, site.sizes, { inputs: false, output: false });
      return layerWithSteps({ ...site, window: setting.window }, (options, given) =>
        front
          ? persistentTokenSteps(options, given, {
              ...{ tokens: front, count: persistent, project, rotary: site.position.rotary },
            })
          : softmaxSteps(options),
      );
    },
    decoding: (site) =>
      cachedDecoding(
        titansWindow({ persistent, ...(window === undefined ? {} : { window }) }).attention(site),
        site.sizes,
      ),
    initial: persistentInitial,
  };
}

/** Persistent tokens N(0, 1): of the size of the normalised stream that they stand in front of. */
const persistentInitial: NonNullable<Mechanism['initial']> = (name, shape, random) =>
  name.endsWith('persistent_memory')
    ? Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random())
    : undefined;

export const mechanismFile: MechanismFile = {
  card: 'titans',
  title: 'Titans',
  source,
  idea: 'A network whose weights are the memory learns while reading; a few learned tokens in front of every window are a learned sink.',
  equation: 'S_t = η_t S_{t−1} − θ_t ∇‖M_{t−1}(k_t) − v_t‖², M_t = (1 − α_t) M_{t−1} + S_t, y_t = M_t(q_t)',
  example: 'titansMemory({ layers: 1 })',
  citations: [
    {
      authors: 'Ali Behrouz, Peilin Zhong, Vahab Mirrokni',
      title: 'Titans: Learning to Memorize at Test Time',
      year: 2024,
      arxiv: '2501.00663',
    },
  ],
  variants: [
    { mechanism: titansMemory, sink: 'gone' },
    { mechanism: () => titansMemory({ layers: 1 }), sink: 'gone' },
    { mechanism: () => titansMemory({ learning: false }), sink: 'gone' },
    { mechanism: titansContext, sink: 'moved' },
    { mechanism: titansGate, sink: 'moved' },
    { mechanism: titansLayer, sink: 'moved' },
    { mechanism: titansWindow, sink: 'moved' },
    { mechanism: () => titansGate({ persistent: 0 }), sink: 'open' },
    { mechanism: () => titansWindow({ persistent: 0 }), sink: 'keeps' },
  ],
};
