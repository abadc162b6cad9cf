import { InputError } from '../../error.ts';
import { type GateActivation, type GateForm, gateActivations } from './gate.ts';
import type { GateLayout } from './gate-layout.ts';

interface Form {
  /** y ⊙ f(s) or y + f(s). Default `multiplicative`. */
  readonly combine?: 'multiplicative' | 'additive';
  /** f. Default `sigmoid`; `silu` where it is added. */
  readonly activation?: GateActivation;
}

/** One gate for each component of a head (default) or one for each head; of its own for every head (default) or one average for all. */
type Heads =
  | { readonly granularity?: 'element-wise' | 'head-wise'; readonly sharing?: 'specific' }
  | { readonly granularity?: 'element-wise'; readonly sharing: 'shared' };

/** The same gate for every token, σ(θ) with θ learned from 0. Default false: the gate is made from the token's normalised stream. */
type Fixed = { readonly inputIndependent?: boolean };

/** Gate on the output of each head, before the output projection (position G1 of the paper). */
export type OutputGateOptions = Form &
  (
    | (Heads & {
        readonly inputIndependent?: false;
        /** Where the gate's matrix is stored. Default `key-value-group`, as the paper's checkpoints. */
        readonly layout?: Exclude<GateLayout, 'query-head'>;
      })
    | {
        readonly granularity?: 'element-wise';
        readonly sharing?: 'specific' | 'shared';
        readonly inputIndependent?: false;
        readonly layout: 'query-head';
      }
    | { readonly granularity?: 'element-wise' | 'head-wise'; readonly inputIndependent: true }
  );

/** No gate, but its non-linearity alone on the output of each head: RMSNorm with one weight for all heads, or SiLU. */
export interface OutputAloneOptions {
  readonly activation: 'rms-norm-only' | 'silu-only';
}

/** Norms over each query and key head before RoPE, `q_norm` and `k_norm`. */
export interface HeadNorms {
  /** What is added to the stored weight: 0 (Qwen3, default) or 1 (Qwen3-Next). */
  readonly offset?: 0 | 1;
}

type Around =
  | { readonly headNorms?: HeadNorms; readonly order?: 'before-head-norms' }
  | { readonly headNorms: HeadNorms; readonly order: 'after-head-norms' };

type Base = {
  /** Default: none. */
  readonly headNorms?: HeadNorms;
  /** Biases of queries, keys and values (also the packed gate's), and of the output projection. Default none. */
  readonly bias?: { readonly inputs?: boolean; readonly output?: boolean };
};

/** Where the gate is, and which. The paper numbers the positions: sdpa-output G1, value G2, key G3, query G4, dense-output G5. */
export type GatedOptions = Base &
  (
    | ({ readonly position: 'sdpa-output' } & (OutputGateOptions | OutputAloneOptions))
    | ({ readonly position: 'value' } & Form & Heads & Fixed)
    /** The paper does not say on which side of head norms this gate is; default `before-head-norms`, right after the projection. */
    | ({ readonly position: 'key' | 'query' } & Form & Heads & Fixed & Around)
    | ({ readonly position: 'dense-output' } & Form & Fixed)
  );

export type GatePosition = GatedOptions['position'];

/** Options with their defaults, checked. */
export interface GateSettings extends GateForm {
  readonly position: GatePosition;
  /** Instead of a gate; `activation` is then without meaning. */
  readonly alone?: 'rms-norm' | 'silu';
  readonly inputIndependent: boolean;
  readonly layout: GateLayout;
  readonly order: 'before-head-norms' | 'after-head-norms';
  readonly headNorms?: HeadNorms;
  readonly bias: { readonly inputs: boolean; readonly output: boolean };
}

const allowed = {
  position: ['sdpa-output', 'value', 'key', 'query', 'dense-output'],
  granularity: ['element-wise', 'head-wise'],
  sharing: ['specific', 'shared'],
  combine: ['multiplicative', 'additive'],
  activation: [...Object.keys(gateActivations), 'rms-norm-only', 'silu-only'],
  layout: ['key-value-group', 'query-head', 'separate'],
  order: ['before-head-norms', 'after-head-norms'],
} as const;

const others = ['inputIndependent', 'headNorms', 'bias'];

/** Fills in defaults. Throws an InputError that names the option and its value for what the types would have refused. */
export function gateSettings(options: GatedOptions): GateSettings {
  const given: Readonly<Record<string, unknown>> = { ...options };
  const refuse = (option: string, why: string): never => {
    throw new InputError(`gated: ${option} ${JSON.stringify(given[option])} ${why}`);
  };
  for (const [option, value] of Object.entries(given)) {
    const values: readonly string[] | undefined = allowed[option as keyof typeof allowed];
    if (values && value !== undefined && !values.includes(value as string))
      refuse(option, `is not one of ${values.join(', ')}`);
    if (!values && !others.includes(option)) refuse(option, 'is not an option');
  }
  const { position } = options;
  if (position === undefined) throw new InputError(`gated: expected position, one of ${allowed.position.join(', ')}`);
  const alone = /-only$/.test(String(given.activation));
  const only = (option: string, ...positions: GatePosition[]) => {
    if (given[option] !== undefined && (!positions.includes(position) || alone))
      refuse(option, alone ? `has no meaning without a gate (${given.activation})` : `has no meaning at ${position}`);
  };
  only('granularity', 'sdpa-output', 'value', 'key', 'query');
  only('sharing', 'sdpa-output', 'value', 'key', 'query');
  only('layout', 'sdpa-output');
  only('order', 'key', 'query');
  only('combine', ...allowed.position);
  only('inputIndependent', ...allowed.position);
  if (alone && position !== 'sdpa-output') refuse('activation', `is for sdpa-output, not for ${position}`);
  if (given.sharing === 'shared' && given.granularity === 'head-wise')
    refuse('sharing', 'averages element-wise scores; head-wise ones cannot be shared');
  if (given.sharing === 'shared' && given.inputIndependent === true)
    refuse('sharing', 'has no meaning where the gate is input-independent');
  if (given.layout !== undefined && given.inputIndependent === true)
    refuse('layout', 'has no meaning where the gate is input-independent');
  if (given.layout === 'query-head' && given.granularity === 'head-wise')
    refuse('layout', 'stores element-wise gates; use key-value-group or separate for head-wise ones');
  if (given.order === 'after-head-norms' && given.headNorms === undefined)
    refuse('order', 'needs headNorms, and there are none');
  const offset = options.headNorms?.offset ?? 0;
  if (offset !== 0 && offset !== 1) throw new InputError(`gated: headNorms.offset must be 0 or 1, got ${offset}`);
  const combine = (given.combine ?? 'multiplicative') as GateForm['combine'];
  const activation = given.activation ?? (combine === 'additive' ? 'silu' : 'sigmoid');
  return {
    position,
    ...(alone ? { alone: given.activation === 'silu-only' ? 'silu' : 'rms-norm' } : {}),
    granularity: (given.granularity ?? 'element-wise') as GateForm['granularity'],
    sharing: (given.sharing ?? 'specific') as GateForm['sharing'],
    combine,
    activation: (alone ? 'sigmoid' : activation) as GateActivation,
    inputIndependent: given.inputIndependent === true,
    layout: (given.layout ?? 'key-value-group') as GateLayout,
    order: (given.order ?? 'before-head-norms') as GateSettings['order'],
    ...(options.headNorms ? { headNorms: options.headNorms } : {}),
    bias: { inputs: options.bias?.inputs ?? false, output: options.bias?.output ?? false },
  };
}
