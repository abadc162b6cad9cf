import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import {
  concat,
  dot,
  gather,
  gradients,
  groupPlaces,
  groupRows,
  input,
  lower,
  mean,
  pick,
  rename,
  softmax,
  sum,
  weight,
} from '../../src/tensor/index.ts';

const python = process.env.SINKLAB_PYTHON ?? 'python3';
const present = spawnSync(python, ['-c', 'import onnx']).status === 0;

const passes = (bytes: Uint8Array) => {
  const check = 'import onnx, sys; onnx.checker.check_model(sys.stdin.buffer.read(), full_check=True)';
  const { status, stderr } = spawnSync(python, ['-c', check], { input: bytes });
  expect(String(stderr)).toBe('');
  expect(status).toBe(0);
};

it.skipIf(!present)(
  'groups of rows whose sizes only the run decides, and their gradient, pass the checker (skipped where onnx is not installed)',
  () => {
    const x = input('x', { T: 'T', M: 16 });
    const ids = input('ids', { T: 'T', K: 2 }, 'int64');
    const results = [0, 1, 2].map((group) => {
      const rows = gather(x, groupRows(ids, 'K', { groups: 3, group }, 'N'), 'T');
      return dot(rows, pick(weight('w', { E: 3, F: 8, M: 16 }), 'E', group), 'M');
    });
    const y = sum(gather(concat(results, 'N'), groupPlaces(ids, 'K'), 'N'), 'K');
    const [slope] = gradients(sum(y, ['T', 'F']), [x]);
    passes(lower({ y: { value: y }, slope: { value: slope } }, { weights: 'inputs' }).bytes);
  },
);

it.skipIf(!present)(
  'the model passes the checker of the Python package onnx (skipped where that is not installed)',
  () => {
    const x = input('x', { B: 'B', T: 'T', M: 16 });
    const q = dot(x, weight('q', { G: 2, D: 8, M: 16 }), 'M');
    const pattern = softmax(dot(q, rename(q, 'T', 'S'), 'D'), 'S');
    const { bytes } = lower(
      { pattern: { value: pattern }, received: { value: mean(pattern, 'T') } },
      { weights: 'inputs' },
    );
    passes(bytes);
  },
);
