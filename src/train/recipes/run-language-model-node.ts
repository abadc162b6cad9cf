import { join } from 'node:path';
import type { HostTensor } from '../../runtime/backend.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { CheckpointStore } from '../checkpoint.ts';
import { checkpointFolder } from '../checkpoint-node.ts';
import type { PackedDataset } from '../data-packed.ts';
import { decoderFromConfig, type ModelConfig } from '../decoder-config.ts';
import { languageModelTask } from '../language-model.ts';
import { sinkRateOf, type WatchedName } from '../language-model-watch.ts';
import { train } from '../loop.ts';
import type { TrainMemory } from '../memory.ts';
import { adamW } from '../optimizers/adamw.ts';
import { cosine } from '../schedule.ts';
import type { TrainState } from '../state.ts';
import { compileValues } from '../values.ts';
import { emptyHistory, type History, parseHistory } from './history.ts';
import { type LanguageModelRecipe, type LanguageModelSettings, llamaConfig } from './recipe.ts';
import type { TextData } from './text-data-node.ts';

export interface LanguageModelRunOptions {
  readonly runtime: Runtime;
  readonly settings: LanguageModelSettings;
  readonly every: LanguageModelRecipe['every'];
  readonly data: TextData;
  readonly seed: number;
  /** For checkpoints. */
  readonly folder: string;
  readonly resume?: boolean;
  /** Told how much memory the run is estimated to take, before it begins. */
  readonly tellMemory?: (estimate: TrainMemory) => void;
  readonly signal?: AbortSignal;
}

/** After each update. */
export interface LanguageModelProgress {
  readonly step: number;
  readonly secondsLeft: number;
  /** All that was seen so far; the last points are this update's. */
  readonly history: History;
  /** Numbers that are trained. */
  readonly parameters: number;
  /** A checkpoint follows. */
  readonly saves: boolean;
}

export interface LanguageModelOutcome {
  readonly config: ModelConfig;
  readonly state: TrainState;
  readonly history: History;
}

/** Sequences of the validation text that one validation reads. */
const validationSequences = 64;

/**
 * Trains a recipe's language model: one update at a time, watched, validated and saved every so often; the outcome at the end or when
 * `signal` stops it. Batch `i` is a function of `i` and the seed, so that a resumed run goes on as an undisturbed one. Throws as `train`.
 */
export async function* runLanguageModel(
  options: LanguageModelRunOptions,
): AsyncGenerator<LanguageModelProgress, LanguageModelOutcome> {
  const { runtime, settings, every, data, seed, resume = false, tellMemory, signal } = options;
  const { batch, context: T, steps, layers, heads } = settings;
  const config = llamaConfig(settings, data);
  const task = languageModelTask(decoderFromConfig(config), { T });
  let evaluation: Awaited<ReturnType<typeof compileValues<'loss'>>> | undefined;
  let history = emptyHistory();
  const place = join(options.folder, 'checkpoints');
  const folder = checkpointFolder(place);
  const store: CheckpointStore = {
    save: (snapshot, parameters) => folder.save(snapshot, parameters),
    async latest(parameters, optimizer) {
      const found = await folder.latest(parameters, optimizer);
      if (found && resume) history = parseHistory(found.record.notes, place);
      return found;
    },
  };
  const started = performance.now();
  let before: number | undefined;
  const running = train({
    ...{ runtime, task, steps, seed, resume, tokens: batch * T },
    optimizer: adamW({ beta1: 0.9, beta2: 0.95 }),
    schedule: cosine({ peak: settings.learningRate, steps, warmup: settings.warmUp }),
    decay: settings.decay,
    clip: settings.clip,
    batches: (index) => idsOf(data.train, index * batch, batch),
    watch: { every: every.watch, values: task.watch },
    save: { store, every: every.save, notes: () => history },
    memory: {
      shapes: { ids: [batch, T + 1] },
      ...(data.validation ? { beside: { loss: task.evaluation.loss } } : {}),
      ...(tellMemory ? { tell: tellMemory } : {}),
    },
    ...(signal ? { signal } : {}),
  });
  for (;;) {
    const { value, done } = await running.next();
    before ??= history.seconds;
    if (done) return { config, state: value, history };
    const { step, loss, gradientNorm, learningRate, tokensPerSecond, watched, state } = value;
    history.points.push({ step, loss, gradientNorm, learningRate, tokensPerSecond });
    if (watched) history.watched.push({ step, ...lookAt(watched, layers, heads) });
    if (data.validation && (step % every.validate === 0 || step === steps)) {
      evaluation ??= await compileValues(runtime, { loss: task.evaluation.loss });
      history.validation.push({ step, ...(await validate(data.validation, batch, evaluation, state)) });
    }
    history.seconds = before + (performance.now() - started) / 1000;
    const parameters = [...state.parameters.values()].reduce((sum, { length }) => sum + length, 0);
    yield {
      step,
      secondsLeft: value.secondsLeft,
      history,
      parameters,
      saves: step % every.save === 0 || step === steps,
    };
  }
}

/** `count` sequences from number `from` on, epoch after epoch, as ids [B, T + 1]. */
async function idsOf(data: PackedDataset, from: number, count: number): Promise<{ ids: HostTensor }> {
  const width = data.sequenceLength + 1;
  const ids = new BigInt64Array(count * width);
  for (let b = 0; b < count; b++) {
    const number = from + b;
    const row = await data.sequence(Math.floor(number / data.sequences), number % data.sequences);
    row.forEach((id, t) => {
      ids[b * width + t] = BigInt(id);
    });
  }
  return { ids: { type: 'int64', shape: [count, width], data: ids } };
}

/** Sink rate at ε 0.3, mean α_0 of each layer, and its largest |residual| over the mean |residual|. */
function lookAt(watched: Readonly<Record<WatchedName, HostTensor>>, layers: number, heads: number) {
  const values = (name: WatchedName) => watched[name].data as Float32Array;
  const alpha = values('alpha');
  const { all, byLayer } = sinkRateOf(alpha, { layers, heads });
  const sums = new Array<number>(layers).fill(0);
  alpha.forEach((value, i) => {
    sums[Math.floor(i / heads) % layers]! += value;
  });
  const [largest, typical] = [values('largest'), values('typical')];
  return {
    sinkRate: all,
    sinkRateByLayer: [...byLayer],
    alpha: sums.map((sum) => sum / (alpha.length / layers)),
    largestRatio: Array.from(largest, (value, layer) => value / typical[layer]!),
  };
}

/** Mean loss over the first sequences of a text, and its exponential. */
async function validate(
  data: PackedDataset,
  batch: number,
  evaluation: Awaited<ReturnType<typeof compileValues<'loss'>>>,
  { parameters }: TrainState,
) {
  const sequences = Math.min(data.sequences, validationSequences);
  let sum = 0;
  for (let from = 0; from < sequences; from += batch) {
    const count = Math.min(batch, sequences - from);
    const { loss } = await evaluation.run(parameters, await idsOf(data, from, count));
    sum += Number(loss.data[0]) * count;
  }
  const loss = sum / sequences;
  return { loss, perplexity: Math.exp(loss), tokens: sequences * data.sequenceLength };
}
