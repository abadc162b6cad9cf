import type { RowSums } from '../../attention/mechanism.ts';
import { mean, type Tensor, type Within } from '../../tensor/index.ts';
import { alpha, meanWhere, rowMass, rowSum, shares, sinkRate, toFirst, valueRatio } from './metrics.ts';
import type { Seen } from './one-head.ts';

type Weights = Tensor<'B' | 'T'>;

/**
 * What one head does at triggers and elsewhere; figures that the mechanism has not are absent. firstAtTriggers, firstElsewhere: share of
 * attention on key 0, alpha and sinkRate: over all queries (the proxy |w| / Σ|w| where rows sum to anything). massAtTriggers,
 * massElsewhere: Σ|w|. weight…, rowSum…: the weight of key 0 and Σw, signed, where rows sum to anything. sinkAtTriggers, sinkElsewhere:
 * mass on a learned sink. gateAtTriggers, gateElsewhere: mean gate. valueRatio: ‖v_0‖ over the other values.
 */
export function headMetrics(
  seen: Seen,
  rows: RowSums,
  { triggers, elsewhere }: { readonly triggers: Weights; readonly elsewhere: Weights },
): Record<string, Within<string>> {
  const at = (name: string, value: Weights) => ({
    [`${name}AtTriggers`]: meanWhere(value, triggers, ['B', 'T']),
    [`${name}Elsewhere`]: meanWhere(value, elsewhere, ['B', 'T']),
  });
  const pattern = seen['attn.hook_pattern'];
  const values = seen['attn.v.hook_out'];
  const sink = seen['attn.hook_sink'];
  const gate = seen['attn.hook_gate'];
  const share = pattern && shares(pattern, rows);
  return {
    ...(share ? { ...at('first', toFirst(share)), alpha: alpha(share), sinkRate: sinkRate(share) } : {}),
    ...(pattern && rows !== 'one' ? at('mass', rowMass(pattern)) : {}),
    ...(pattern && rows === 'any' ? { ...at('weight', toFirst(pattern)), ...at('rowSum', rowSum(pattern)) } : {}),
    ...(sink ? at('sink', mean(sink, ['G', 'R'])) : {}),
    ...(gate ? at('gate', mean(gate, ['G', 'R', 'D'])) : {}),
    ...(values ? { valueRatio: valueRatio(values) } : {}),
  };
}
