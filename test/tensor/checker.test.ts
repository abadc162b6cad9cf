import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { dot, input, lower, mean, rename, softmax, weight } from '../../src/tensor/index.ts';

const python = process.env.SINKLAB_PYTHON ?? 'python3';
const present = spawnSync(python, ['-c', 'import onnx']).status === 0;

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
    const check = 'import onnx, sys; onnx.checker.check_model(sys.stdin.buffer.read(), full_check=True)';
    const { status, stderr } = spawnSync(python, ['-c', check], { input: bytes });
    expect(String(stderr)).toBe('');
    expect(status).toBe(0);
  },
);
