/** Initial values of the tensors of a prior and of its gate; undefined for any other. `frozen` starts as `uniform`. */
export function priorInitial(
  name: string,
  shape: readonly number[],
  random: () => number,
  start: 'seeded' | 'uniform' | 'frozen',
  deviation: number,
): Float32Array<ArrayBuffer> | undefined {
  const own = /self_attn\.(.+)$/.exec(name)?.[1];
  const seeded = start === 'seeded';
  const make = (value: (i: number) => number) =>
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => value(i));
  switch (own) {
    case 'lambda_sym':
      return make(() => (seeded ? 0.01 * random() : 0));
    case 'lambda_asym':
    case 'sink_bump':
    case 'key_bias.fc1.bias':
    case 'key_bias.fc2.bias':
      return make(() => 0);
    case 'key_bias.fc1.weight':
      return make(() => deviation * random());
    case 'key_bias.fc2.weight':
      return make(() => (seeded ? deviation * random() : 0));
    case 'sink_gain':
      return make(() => 1);
    case 'recency_slope_raw':
      // softplus⁻¹(slope) = ln(e^slope − 1)
      return make((i) => (seeded ? Math.log(Math.expm1(2 ** ((-8 * (i + 1)) / shape[0]!))) : -30));
    case 'prior_gate_scale_raw':
      return make(() => -10);
    case 'prior_gate_bias':
      return make(() => 10);
    default:
      return undefined;
  }
}
