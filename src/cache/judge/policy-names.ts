import { InputError } from '../../error.ts';
import type { DecoderSizes } from '../../models/decoder.ts';
import { full } from '../policies/full.ts';
import { streamingLlm } from '../policies/streaming-llm.ts';
import { type CachePolicy, type PositionRule, positionRules } from '../policy.ts';
import type { PolicyFile } from '../policy-file.ts';
import { policyFiles } from '../registry.ts';

/** A policy that takes part in a comparison. */
export interface ComparedPolicy {
  /** As it was asked for: `streaming-llm:4`. */
  readonly label: string;
  readonly policy: CachePolicy;
  /** The last tokens are read afresh, with a new cache of this policy, for every token that is predicted. */
  readonly recompute: boolean;
  /** Newline tokens put in front of the text. */
  readonly newlines: number;
}

export interface NamedPolicies {
  /** Entries that each head may keep. */
  readonly capacity: number;
  /** Tokens that a policy which never evicts may read: the positions a model was trained for. */
  readonly limit: number;
  readonly sizes: DecoderSizes;
  /** Longest text to come, for policies of which some heads, or what follows a prompt, keep everything. Default: the policy's own. */
  readonly longest?: number;
  /** Policies to choose from. Default: all there are. */
  readonly files?: readonly PolicyFile[];
}

/** Names in a comparison beside those of the policies. */
export const comparisonOnly: Readonly<Record<string, string>> = {
  recompute:
    'a sliding window that is read afresh for every token: the reference of quality, at the price of time (taken at every n-th token)',
  'newline-sinks':
    'StreamingLLM over the text with as many newline tokens in front of it as there are sinks: it is the place, not the meaning, that makes a sink',
};

/**
 * The policies of a list such as `full,streaming-llm:4,window@absolute`. Each is `NAME[:SINKS][@POSITIONS]`: the name of a policy,
 * `recompute` or `newline-sinks`; how many tokens at the start stay, where the policy has such; `absolute` or `cache-relative`.
 *
 * @throws InputError, naming what there is, for anything else, for a setting the policy does not have, and for a policy named twice.
 */
export function namedPolicies(list: string, request: NamedPolicies): ComparedPolicy[] {
  if (!Number.isSafeInteger(request.capacity) || request.capacity < 1)
    throw new InputError(`policies: expected a capacity from 1, got ${request.capacity}`);
  const found = list.split(',').map((part) => named(part.trim(), request));
  const twice = found.find(({ label }, i) => found.findIndex((other) => other.label === label) < i);
  if (twice) throw new InputError(`policies: ${twice.label} is named twice`);
  return found;
}

function named(label: string, { capacity, limit, sizes, longest, files = policyFiles }: NamedPolicies): ComparedPolicy {
  const fail = (what: string) => new InputError(`policies: ${what}`);
  const [, name = '', sinksText, rule] = /^([a-z0-9-]+)(?::(\d{1,6}))?(?:@([a-z-]+))?$/.exec(label) ?? [];
  const file = files.find((one) => one.name === name);
  const shown = JSON.stringify(label.slice(0, 60));
  if (!file && !Object.hasOwn(comparisonOnly, name))
    throw fail(
      `there is no policy ${shown}; there are ${[...files.map((one) => one.name), ...Object.keys(comparisonOnly)].join(', ')}, with settings as in streaming-llm:4@absolute`,
    );
  const positions = positionRules.find((one) => one === rule);
  if (rule !== undefined && !positions) throw fail(`${shown}: positions are ${positionRules.join(' or ')}`);
  const sinks = sinksText === undefined ? undefined : Number(sinksText);
  if (name === 'recompute') {
    if (label !== name) throw fail(`${shown}: recompute has no settings; it reads as many tokens as the capacity`);
    return { label, policy: recomputed(capacity), recompute: true, newlines: 0 };
  }
  if (name === 'newline-sinks') {
    const newlines = sinks ?? 4;
    if (newlines < 1) throw fail(`${shown}: expected at least one newline`);
    const policy = streamingLlm({
      sinks: newlines,
      recent: roomFor(newlines, capacity, shown),
      ...(positions ? { positions } : {}),
    });
    const keeps = `${newlines} newlines in front of the text and the last ${capacity - newlines} tokens`;
    return {
      label,
      policy: { ...policy, name: `newline-sinks: ${newlines} + ${capacity - newlines}`, keeps },
      recompute: false,
      newlines,
    };
  }
  const make = (own: number | undefined, rules: PositionRule | undefined = positions): CachePolicy =>
    file!.make({
      ...{ capacity, sizes },
      ...(own === undefined ? {} : { sinks: own }),
      ...(longest === undefined ? {} : { longest }),
      ...(rules === undefined ? {} : { positions: rules }),
    });
  const policy = make(sinks);
  if (sinks !== undefined && policy.name === make(sinks > 0 ? sinks - 1 : 1).name)
    throw fail(`${shown}: ${name} has no sinks to set`);
  if (positions && policy.positions !== positions)
    throw fail(`${shown}: ${name} has ${policy.positions} positions only`);
  const grows = !policy.keep && !policy.lastQuery;
  return {
    label,
    policy: grows ? file!.make({ capacity: limit, sizes }) : policy,
    recompute: false,
    newlines: 0,
  };
}

function roomFor(sinks: number, capacity: number, shown: string): number {
  if (sinks < capacity) return capacity - sinks;
  throw new InputError(`policies: ${shown}: ${sinks} sinks leave no room in a capacity of ${capacity}`);
}

/** A sliding window whose tokens are read afresh for every token: the reference of quality. */
const recomputed = (capacity: number): CachePolicy => ({
  ...full({ capacity }),
  name: `recompute: ${capacity}`,
  source: '2309.17453',
  keeps: `nothing: the last ${capacity} tokens are read afresh for every token`,
  decides: 'never',
  positions: 'cache-relative',
});
