import { type CachePolicy, type PositionRule, positionRules } from '../../src/cache/policy.ts';
import type { PolicyRequest } from '../../src/cache/policy-file.ts';
import { policyFiles as registered } from '../../src/cache/registry.ts';
import type { DecoderSizes } from '../../src/models/decoder.ts';

/** Every policy that there is. */
export const files = registered;

export const sizesOf = (family: string): DecoderSizes => ({
  ...{ L: 3, H: 4, G: family === 'gpt2' ? 4 : 2, D: 8, M: 32, V: 97, maxPositions: 128 },
});

/** Families of the fixtures in the repository that are streamed. */
export const streamed = ['llama', 'gpt_oss', 'gemma3', 'gpt2'];

/** Layers of both kinds of heads, of those that stream, and of those that retrieve. */
const gatesOf = ({ G }: DecoderSizes) => [
  Array.from({ length: G }, (_, head) => (head % 2 === 0 ? 0.9 : 0.1)),
  Array.from({ length: G }, () => 0.2),
  Array.from({ length: G }, () => 0.8),
];

export interface Case {
  readonly family: string;
  readonly name: string;
  readonly rule: PositionRule;
  /** The policy with about so many entries a head. */
  readonly make: (capacity: number, more?: Partial<PolicyRequest>) => CachePolicy;
}

/** Why a model cannot be streamed under a policy; undefined where it can. */
export const refusal = ({ family, rule, make }: Case): string | undefined => {
  const policy = make(10);
  const { tables } = policy.layout(sizesOf(family));
  if (family === 'gpt2' && rule === 'cache-relative' && (tables.length > 1 || tables[0]!.heads !== undefined))
    return `${policy.name}: gpt2 adds positions to its embeddings, one for all layers and heads; where these keep different tokens, positions cannot be cache-relative; take absolute`;
  return undefined;
};

/** Policies by family of models and position rule, where they have that rule. */
export const everyCase: readonly Case[] = streamed.flatMap((family) =>
  files.flatMap((file) =>
    positionRules.flatMap((rule): Case[] => {
      const sizes = sizesOf(family);
      const make: Case['make'] = (capacity, more = {}) =>
        file.make({ capacity, sinks: 2, longest: 40, gates: gatesOf(sizes), sizes, positions: rule, ...more });
      try {
        return make(10).positions === rule ? [{ family, name: file.name, rule, make }] : [];
      } catch {
        return [];
      }
    }),
  ),
);

export const cases = everyCase.filter((one) => refusal(one) === undefined);
/** Those that evict something in a text longer than the capacity. */
export const evicting = cases.filter(({ name }) => name !== 'full');
