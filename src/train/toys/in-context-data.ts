import { InputError } from '../../error.ts';
import { normal } from '../../random.ts';

/** What a text of examples is drawn from. */
export interface RegressionSetting {
  /** d, features of an example. */
  readonly features: number;
  /** L, examples in a text. */
  readonly examples: number;
  /** σ², variance of the noise on labels, for labels of variance one. */
  readonly noise: number;
  /** Variance of a component of β times d: labels of one task over all features have this variance. */
  readonly signal: number;
  /** ρ: covariates are N(0, Σ) with Σ_ij = ρ^|i − j|. */
  readonly correlation: number;
  /** Features that each task reads; tasks share β. */
  readonly supports: readonly (readonly number[])[];
}

/** A text: examples with one label per task, and the query with what is asked. */
export interface RegressionText {
  /** [L][d] */
  readonly x: readonly (readonly number[])[];
  /** [L][tasks] */
  readonly y: readonly (readonly number[])[];
  /** [d] */
  readonly query: readonly number[];
  /** [tasks], with noise. */
  readonly answer: readonly number[];
}

/** The setting of 2503.12734, one task: d 5, L 40, σ² 0.1, β ~ N(0, I/d). Throws an InputError for what is out of range. */
export function regressionSetting(given: Partial<RegressionSetting> = {}): RegressionSetting {
  const features = given.features ?? 5;
  const all = Array.from({ length: Math.max(features, 0) || 0 }, (_, i) => i);
  const setting = { examples: 40, noise: 0.1, signal: 1, correlation: 0, supports: [all], ...given, features };
  const whole = (name: 'features' | 'examples') => {
    if (!(Number.isSafeInteger(setting[name]) && setting[name] >= 1))
      throw new InputError(`in-context regression: ${name} must be a whole number of at least 1, got ${setting[name]}`);
  };
  whole('features');
  whole('examples');
  for (const name of ['noise', 'signal'] as const)
    if (!(setting[name] >= 0 && setting[name] < Number.POSITIVE_INFINITY))
      throw new InputError(`in-context regression: ${name} must be at least 0, got ${setting[name]}`);
  if (!(Math.abs(setting.correlation) < 1))
    throw new InputError(`in-context regression: correlation must lie between −1 and 1, got ${setting.correlation}`);
  if (setting.supports.length === 0 || setting.supports.some((support) => support.length === 0))
    throw new InputError('in-context regression: supports must name at least one task, each with at least one feature');
  for (const feature of setting.supports.flat())
    if (!(Number.isSafeInteger(feature) && feature >= 0 && feature < features))
      throw new InputError(`in-context regression: supports name feature ${feature}, there are 0 to ${features - 1}`);
  return setting;
}

/** Two tasks that share two of six features, β ~ N(0, I), noise √d_n · σ: the variances of the authors' two-task code. */
export function twoTasks(): Partial<RegressionSetting> {
  return {
    features: 6,
    signal: 6,
    supports: [
      [0, 1, 2, 3],
      [2, 3, 4, 5],
    ],
  };
}

/** One text. Labels y_n = Σ_{i in support n} β_i x_i + ε, with noise of variance σ² · (variance of the label without it). */
export function regressionText(random: () => number, setting: RegressionSetting): RegressionText {
  const { features, examples, noise, signal, correlation, supports } = setting;
  const draw = normal(random);
  const variance = signal / features;
  const beta = Array.from({ length: features }, () => Math.sqrt(variance) * draw());
  const rest = Math.sqrt(1 - correlation ** 2);
  const covariates = () => {
    const x = [draw()];
    for (let i = 1; i < features; i++) x.push(correlation * x[i - 1]! + rest * draw());
    return x;
  };
  const labels = (x: readonly number[]) =>
    supports.map((support) => {
      const clean = support.reduce((total, i) => total + beta[i]! * x[i]!, 0);
      // Without a signal labels are noise of variance σ².
      return clean + Math.sqrt(noise * (variance === 0 ? 1 : variance * support.length)) * draw();
    });
  const rows = Array.from({ length: examples }, covariates);
  const query = covariates();
  return { x: rows, y: rows.map(labels), query, answer: labels(query) };
}
