import type { EmergenceResult } from '../claims/emergence/experiment.ts';
import { type Factor, settingOf } from '../claims/emergence/factors.ts';
import { T } from '../claims/emergence/sequences.ts';
import type { EmergenceShards } from '../claims/emergence/shards.ts';
import { verdictOf } from '../claims/emergence/verdict.ts';
import type { EmergenceReport } from '../report/emergence.schema.ts';

/** Mean attention to the first key if all were attended to alike, held against ε 0.3: 0 or 1. */
const uniform = Array.from({ length: T }, (_, t) => 1 / (t + 1) / T).reduce((a, b) => a + b, 0) > 0.3 ? 1 : 0;

/** All results with the verdict on each factor's finding. */
export function emergenceReport(
  factors: readonly Factor[],
  seeds: readonly number[],
  results: readonly EmergenceResult[],
  places: EmergenceShards['places'],
  from: { readonly version: string; readonly runtime: string; readonly node: string },
): EmergenceReport {
  return {
    format: 'sinklab.emergence/1',
    sinklab: from.version,
    seeds: [...seeds],
    uniform,
    factors: factors.map((factor, f) => {
      const rows = factor.rows.map((row, r) => ({ row, runs: places[f]![r]!.map((index) => results[index]!) }));
      return {
        name: factor.name,
        title: factor.title,
        finding: factor.finding,
        verdict: verdictOf(
          factor.name,
          rows.map(({ row, runs }) => ({ label: row.label, runs })),
        ),
        rows: rows.map(({ row, runs }) => ({
          label: row.label,
          setting: settingOf(factor, row),
          published: row.published ? { ...row.published } : null,
          parameters: runs[0]!.parameters,
          runs: runs.map(({ looks, seconds }, i) => ({ seed: seeds[i]!, seconds, looks })),
        })),
      };
    }),
    provenance: {
      runtime: from.runtime,
      node: from.node,
      seconds: results.reduce((total, { seconds }) => total + seconds, 0),
    },
  };
}
