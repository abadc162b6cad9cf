import { InputError } from '../error.ts';
import { checkWhole } from './check.ts';

/** Learning rate over the steps. */
export interface Schedule {
  readonly name: string;
  /** Settings that decide it, for checkpoints and reports. */
  readonly settings: Readonly<Record<string, number | string>>;
  /** Learning rate of update number `step`, from 1; the last rate holds beyond the end. */
  rate(step: number): number;
}

interface Peak {
  /** Largest learning rate. */
  readonly peak: number;
  /** Steps over which the rate rises in equal parts to the peak. Default 0. */
  readonly warmup?: number;
}

export interface CosineOptions extends Peak {
  /** Steps in all, warm-up included. */
  readonly steps: number;
  /** Rate of the last step, as a share of the peak. Default 0.1. */
  readonly end?: number;
}

export interface WsdOptions extends CosineOptions {
  /** Steps at the end over which the rate falls. Default a fifth of all. */
  readonly decay?: number;
}

function check(where: string, { peak, warmup = 0 }: Peak): void {
  if (!(peak >= 0 && peak < Number.POSITIVE_INFINITY))
    throw new InputError(`${where}: peak must be a number of at least 0, got ${peak}`);
  checkWhole(where, 'warmup', warmup, 0);
}

function checkEnd(where: string, { steps, warmup = 0, end = 0.1 }: CosineOptions, decay = 0): void {
  checkWhole(where, 'steps', steps, 1);
  if (warmup + decay > steps)
    throw new InputError(`${where}: warm-up and decay take ${warmup + decay} of ${steps} steps`);
  if (!(end >= 0 && end <= 1)) throw new InputError(`${where}: end must be from 0 to 1, got ${end}`);
}

/** One rate, after a linear warm-up where there is one. */
export function constant({ peak, warmup = 0 }: Peak): Schedule {
  check('constant', { peak, warmup });
  return { name: 'constant', settings: { peak, warmup }, rate: (step) => peak * rise(step, warmup) };
}

/** Linear warm-up, then half a cosine down to end · peak at the last step (1608.03983, without restarts). */
export function cosine(options: CosineOptions): Schedule {
  const { peak, steps, warmup = 0, end = 0.1 } = options;
  check('cosine', options);
  checkEnd('cosine', options);
  const rate = (step: number) => {
    if (step <= warmup) return peak * rise(step, warmup);
    const done = Math.min(1, (step - warmup) / Math.max(1, steps - warmup));
    return peak * (end + ((1 - end) * (1 + Math.cos(Math.PI * done))) / 2);
  };
  return { name: 'cosine', settings: { peak, warmup, steps, end }, rate };
}

/** Warm-up, stable, decay (WSD, 2404.06395): linear rise, constant peak, linear fall to end · peak over the last `decay` steps. */
export function warmupStableDecay(options: WsdOptions): Schedule {
  const { peak, steps, warmup = 0, end = 0.1 } = options;
  const decay = options.decay ?? Math.floor(steps / 5);
  check('warmupStableDecay', options);
  checkWhole('warmupStableDecay', 'decay', decay, 0);
  checkEnd('warmupStableDecay', options, decay);
  const rate = (step: number) => {
    if (step <= steps - decay) return peak * rise(step, warmup);
    return peak * (1 - (1 - end) * Math.min(1, (step - (steps - decay)) / decay));
  };
  return { name: 'warmup-stable-decay', settings: { peak, warmup, steps, decay, end }, rate };
}

const rise = (step: number, warmup: number) => (step < warmup ? step / warmup : 1);
