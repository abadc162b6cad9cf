/**
 * Fourier transforms of one length n, split by its prime factors: about n · (sum of the factors) steps, 18 n for 400.
 * X_k = Σ_t x_t e^(-2πi k t / n).
 */
export function fourier(n: number): (real: Float64Array, imaginary: Float64Array) => void {
  const factors = factorsOf(n);
  const cosine = Float64Array.from({ length: n }, (_, k) => Math.cos((2 * Math.PI * k) / n));
  const sine = Float64Array.from({ length: n }, (_, k) => -Math.sin((2 * Math.PI * k) / n));
  const [inReal, inImaginary] = [new Float64Array(n), new Float64Array(n)];
  const largest = Math.max(...factors, 1);
  const [partReal, partImaginary] = [new Float64Array(largest), new Float64Array(largest)];

  return (real, imaginary) => {
    inReal.set(real);
    inImaginary.set(imaginary);
    /** Transforms every `stride`-th input from `from` on into `size` outputs at `to`. */
    const transform = (from: number, stride: number, to: number, size: number, depth: number): void => {
      const factor = factors[depth];
      if (factor === undefined) {
        real[to] = inReal[from]!;
        imaginary[to] = inImaginary[from]!;
        return;
      }
      const part = size / factor;
      for (let q = 0; q < factor; q++) transform(from + q * stride, stride * factor, to + q * part, part, depth + 1);
      for (let k = 0; k < part; k++) {
        for (let q = 0; q < factor; q++) {
          const at = to + q * part + k;
          const turn = q * k * stride;
          partReal[q] = real[at]! * cosine[turn]! - imaginary[at]! * sine[turn]!;
          partImaginary[q] = real[at]! * sine[turn]! + imaginary[at]! * cosine[turn]!;
        }
        for (let r = 0; r < factor; r++) {
          let [sumReal, sumImaginary] = [0, 0];
          for (let q = 0; q < factor; q++) {
            const turn = ((q * r) % factor) * part * stride;
            sumReal += partReal[q]! * cosine[turn]! - partImaginary[q]! * sine[turn]!;
            sumImaginary += partReal[q]! * sine[turn]! + partImaginary[q]! * cosine[turn]!;
          }
          real[to + r * part + k] = sumReal;
          imaginary[to + r * part + k] = sumImaginary;
        }
      }
    };
    transform(0, 1, 0, n, 0);
  };
}

function factorsOf(n: number): number[] {
  const factors: number[] = [];
  let rest = n;
  while (rest % 4 === 0) {
    factors.push(4);
    rest /= 4;
  }
  for (let factor = 2; rest > 1; factor++)
    while (rest % factor === 0) {
      factors.push(factor);
      rest /= factor;
    }
  return factors;
}
