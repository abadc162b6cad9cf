import { InputError } from '../../error.ts';
import type { Model } from '../../models/model.ts';
import { DecodingEngine, type EngineOptions } from '../engine.ts';
import { type MoaOptions, moa } from '../policies/moa.ts';
import type { CachePolicy } from '../policy.ts';
import { createStream } from '../stream.ts';
import type { SpanPlan } from './plan.ts';
import type { CalibrationText } from './profile.ts';

export interface ValidateOptions extends EngineOptions, Omit<MoaOptions, 'plan' | 'length'> {
  readonly signal?: AbortSignal | undefined;
}

/** Mean loss of the responses under a policy, in nats for each token, mean over texts. */
export async function responseLoss(
  model: Model,
  policy: CachePolicy,
  texts: readonly CalibrationText[],
  engine: DecodingEngine,
  signal?: AbortSignal,
): Promise<number> {
  const stream = createStream(model, { policy, engine });
  let total = 0;
  for (const { ids, response } of texts) {
    stream.reset();
    const losses = (await stream.score(ids, { signal })).slice(response);
    total += losses.reduce((sum, loss) => sum + loss, 0) / losses.length / texts.length;
  }
  return total;
}

/** The true loss of plans on texts that were not profiled, in the order of the plans; spans are those at each text's own length. */
export async function planLosses(
  model: Model,
  plans: readonly SpanPlan[],
  texts: readonly CalibrationText[],
  { signal, granularity, positions, sinks, ...engineOptions }: ValidateOptions = {},
): Promise<number[]> {
  const length = texts[0]?.ids.length;
  if (length === undefined || texts.some(({ ids }) => ids.length !== length))
    throw new InputError('moa: expected texts of one length to validate plans on');
  const how = {
    ...(granularity === undefined ? {} : { granularity }),
    ...(positions === undefined ? {} : { positions }),
    ...(sinks === undefined ? {} : { sinks }),
  };
  const engine = new DecodingEngine(model, engineOptions);
  try {
    const losses: number[] = [];
    for (const plan of plans)
      losses.push(await responseLoss(model, moa({ plan, length, ...how }), texts, engine, signal));
    return losses;
  } finally {
    await engine.dispose();
  }
}

/** Which plan has the lowest true loss, the first where several have. */
export async function bestPlan(
  model: Model,
  plans: readonly SpanPlan[],
  texts: readonly CalibrationText[],
  options: ValidateOptions = {},
): Promise<{ readonly plan: SpanPlan; readonly index: number; readonly losses: readonly number[] }> {
  if (plans.length === 0) throw new InputError('moa: expected at least one plan to validate');
  const losses = await planLosses(model, plans, texts, options);
  const index = losses.indexOf(Math.min(...losses));
  return { plan: plans[index]!, index, losses };
}
