/**
 * The side of jax-js in the training benchmark: one AdamW step of a Llama for each line of standard input.
 *
 *     node train_bench.mjs MODEL --jax FOLDER --batch 8 --tokens 128 --threads 2 --rate 0.001
 *
 * MODEL is a Hugging Face folder with the initial weights in float32, FOLDER holds node_modules/@jax-js/jax. The whole step (value and
 * gradient, clipping, update) is one jitted function on the WebAssembly backend. Prints one JSON line when the first step is done (its
 * loss as `version`), then one for each step: seconds and peak memory.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { useThreads } from './workers.mjs';

const began = performance.now();
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: Object.fromEntries(['jax', 'batch', 'tokens', 'threads', 'rate'].map((name) => [name, { type: 'string' }])),
});
const [B, T, rate] = [values.batch, values.tokens, values.rate].map(Number);
const [folder] = positionals;
useThreads(Number(values.threads));
const jax = await import(pathToFileURL(join(values.jax, 'node_modules/@jax-js/jax/dist/index.js')).href);
const { numpy: np, nn, jit, valueAndGrad, tree } = jax;
await jax.init('wasm');
jax.defaultDevice('wasm');

const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
const { num_hidden_layers: L, num_attention_heads: H, hidden_size: M, vocab_size: V, rms_norm_eps: epsilon } = config;
const D = M / H;

function readWeights() {
  const file = readFileSync(join(folder, 'model.safetensors'));
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, 8 + length).toString());
  delete header.__metadata__;
  const weights = {};
  for (const [name, { shape, data_offsets, dtype }] of Object.entries(header)) {
    const [from, to] = data_offsets;
    if (dtype !== 'F32') throw new Error(`${name} is ${dtype}; expected F32`);
    const bytes = file.subarray(8 + length + from, 8 + length + to);
    const stored = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    weights[name] = np.array(stored).reshape(shape);
  }
  return weights;
}

// Arrays are counted: each use but the last takes a `.ref`.
const rmsNorm = (x, weight) => {
  const square = np.mean(np.square(x.ref), -1, { keepdims: true });
  return x.div(np.sqrt(square.add(epsilon))).mul(weight);
};
const linear = (x, weight) => np.matmul(x, weight.transpose());

const angles = { cos: new Float32Array((T * D) / 2), sin: new Float32Array((T * D) / 2) };
for (let t = 0; t < T; t++)
  for (let i = 0; i < D / 2; i++) {
    const angle = t * (config.rope_theta ?? 10_000) ** ((-2 * i) / D);
    angles.cos[(t * D) / 2 + i] = Math.cos(angle);
    angles.sin[(t * D) / 2 + i] = Math.sin(angle);
  }
const table = (values) => np.array(values).reshape([1, 1, T, D / 2]);

/** Half-split rotary positions on [B, H, T, D]. */
const rotate = (x, cos, sin) => {
  const [a, b] = np.split(x, 2, -1);
  return np.concatenate([a.ref.mul(cos.ref).sub(b.ref.mul(sin.ref)), a.mul(sin).add(b.mul(cos))], -1);
};

function loss(p, ids, targets, mask, cos, sin) {
  const heads = (x) => x.reshape([B, T, H, D]).transpose([0, 2, 1, 3]);
  let x = np.take(p['model.embed_tokens.weight'].ref, ids, 0).reshape([B * T, M]);
  for (let layer = 0; layer < L; layer++) {
    const weight = (name) => p[`model.layers.${layer}.${name}.weight`];
    const normed = rmsNorm(x.ref, weight('input_layernorm'));
    const q = rotate(heads(linear(normed.ref, weight('self_attn.q_proj'))), cos.ref, sin.ref);
    const k = rotate(heads(linear(normed.ref, weight('self_attn.k_proj'))), cos.ref, sin.ref);
    const v = heads(linear(normed, weight('self_attn.v_proj')));
    const scores = np.matmul(q.mul(D ** -0.5), k.transpose([0, 1, 3, 2]));
    const mixed = np.matmul(nn.softmax(scores.add(mask.ref), -1), v);
    const joined = mixed.transpose([0, 2, 1, 3]).reshape([B * T, M]);
    x = x.add(linear(joined, weight('self_attn.o_proj')));
    const inner = rmsNorm(x.ref, weight('post_attention_layernorm'));
    const gate = nn.silu(linear(inner.ref, weight('mlp.gate_proj')));
    x = x.add(linear(gate.mul(linear(inner, weight('mlp.up_proj'))), weight('mlp.down_proj')));
  }
  const last = rmsNorm(x, p['model.norm.weight']);
  const logits = np.matmul(last, p['model.embed_tokens.weight'].transpose());
  mask.dispose();
  cos.dispose();
  sin.dispose();
  // −ln p(target) = ln Σ exp l − l[target]
  const chosen = np.sum(logits.ref.mul(nn.oneHot(targets, V)), -1);
  return np.mean(nn.logsumexp(logits, -1).sub(chosen));
}

const [beta1, beta2] = [0.9, 0.95];
const decays = (array) => array.ndim > 1;

/** `corrections`: 1 − β₁ᵗ and √(1 − β₂ᵗ). */
const step = jit(function step(p, m, v, ids, targets, mask, cos, sin, corrections) {
  const names = Object.keys(p);
  const [value, gradients] = valueAndGrad(loss)(tree.ref(p), ids, targets, mask, cos, sin);
  let square = np.array(0);
  for (const name of names) square = square.add(np.sum(np.square(gradients[name].ref)));
  const clip = np.minimum(np.array(1).div(np.sqrt(square).add(1e-6)), 1);
  const [first, second] = [corrections.ref.slice(0), corrections.slice(1)];
  const next = { p: {}, m: {}, v: {} };
  for (const name of names) {
    const gradient = gradients[name].mul(clip.ref);
    const mean = m[name].mul(beta1).add(gradient.ref.mul(1 - beta1));
    const spread = v[name].mul(beta2).add(np.square(gradient).mul(1 - beta2));
    const direction = mean.ref.div(first.ref).div(np.sqrt(spread.ref).div(second.ref).add(1e-8));
    const kept = decays(p[name]) ? p[name].mul(1 - rate * 0.1) : p[name];
    next.p[name] = kept.sub(direction.mul(rate));
    next.m[name] = mean;
    next.v[name] = spread;
  }
  first.dispose();
  second.dispose();
  clip.dispose();
  return [value, next.p, next.m, next.v];
});

let p = readWeights();
const zeros = () => Object.fromEntries(Object.entries(p).map(([name, { shape }]) => [name, np.zeros(shape)]));
let [m, v] = [zeros(), zeros()];
const row = Array.from({ length: B * (T + 1) }, (_, i) => (i * 7919 + (i >> 5) * 31) % V);
const cut = (from) => Int32Array.from({ length: B * T }, (_, i) => row[Math.floor(i / T) * (T + 1) + (i % T) + from]);
const given = {
  ids: np.array(cut(0)),
  targets: np.array(cut(1)),
  // −10⁹ rather than −∞: the gradient of a softmax would be NaN where both meet 0.
  mask: np
    .array(Float32Array.from({ length: T * T }, (_, i) => (i % T > Math.floor(i / T) ? -1e9 : 0)))
    .reshape([1, 1, T, T]),
  cos: table(angles.cos),
  sin: table(angles.sin),
};

let count = 0;
async function once() {
  const start = performance.now();
  count += 1;
  const corrections = np.array(Float32Array.of(1 - beta1 ** count, Math.sqrt(1 - beta2 ** count)));
  const { ids, targets, mask, cos, sin } = given;
  const [value, ...next] = step(p, m, v, ids.ref, targets.ref, mask.ref, cos.ref, sin.ref, corrections);
  [p, m, v] = next;
  await jax.blockUntilReady(next);
  const [found] = await value.data();
  return { seconds: (performance.now() - start) / 1000, loss: found };
}

const peakBytes = () => 1024 * Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);

const loadSeconds = (performance.now() - began) / 1000;
const { seconds: firstSeconds, loss: firstLoss } = await once();
console.log(JSON.stringify({ loadSeconds, firstSeconds, version: String(firstLoss) }));
for await (const _ of createInterface({ input: process.stdin })) {
  const { seconds, loss: now } = await once();
  console.log(JSON.stringify({ seconds, peakBytes: peakBytes(), loss: now }));
}
process.exit(0);
