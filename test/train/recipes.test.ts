import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { books } from '../../src/train/recipes/books.ts';
import { recipes } from '../../src/train/recipes/index.ts';
import { settingsWith } from '../../src/train/recipes/recipe.ts';
import {
  type LanguageModelOutcome,
  type LanguageModelRunOptions,
  runLanguageModel,
} from '../../src/train/recipes/run-language-model-node.ts';
import { prepareText } from '../../src/train/recipes/text-data-node.ts';
import { tinyText } from '../../src/train/recipes/tiny-text.ts';

async function folderForTest(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sinklab-recipes-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const tiny = { vocabulary: 300, width: 16, layers: 2, heads: 2, context: 16, batch: 2, steps: 12 };

describe('recipes', () => {
  it('have names of their own', () => {
    const names = recipes.map(({ name }) => name);
    expect(names).toEqual([
      ...['trigger-averaging', 'bigram-backcopy', 'bigram-backcopy-dirichlet', 'associative-recall', 'induction'],
      'in-context-regression',
      ...['tiny-bytes', 'tiny-text', 'books'],
    ]);
  });

  it('books is a Llama of 5.9 million parameters; its feed-forward width follows its width', () => {
    expect(settingsWith(books, {})).toEqual(books.settings);
    const { vocabulary: V, width: M, layers: L, feedForward: F } = books.settings;
    expect(V * M + L * (4 * M * M + 3 * M * F + 2 * M) + M).toBe(5_868_800);
    expect(settingsWith(books, { width: 128 }).feedForward).toBe(352);
    expect(settingsWith(books, { width: 128, feedForward: 100 }).feedForward).toBe(100);
    expect(settingsWith(books, { steps: 100 }).warmUp).toBe(20);
    expect(() => settingsWith(books, { heads: 3 })).toThrow(
      'train books: 3 heads do not divide a width of 256 into even parts; give --heads or --width that do',
    );
  });
});

describe('a text', () => {
  it('is prepared once: the same text and vocabulary are found again, another vocabulary is not', async () => {
    const folder = await folderForTest();
    const prepare = async (vocabulary: number) => {
      await using data = await prepareText({ folder, vocabulary, context: 16, seed: 0 });
      const written = (await stat(join(folder, 'training.tokens'))).mtimeMs;
      return { written, V: data.V, sources: data.sources, row: [...(await data.train.sequence(0, 0))] };
    };
    const first = await prepare(300);
    expect(await prepare(300)).toEqual(first);
    expect(first.V).toBe(300);
    expect(first.row[0]).toBe(0);
    expect(first.sources.map(({ role }) => role)).toEqual(['training text', 'validation text', 'tokenizer']);
    const other = await prepare(310);
    expect(other.V).toBe(310);
    expect(other.sources[0]!.tokens).toBeLessThan(first.sources[0]!.tokens!);
  });

  it('that is missing or too short is said by name', async () => {
    const folder = await folderForTest();
    const prepare = (corpus: string) => prepareText({ folder, corpus, vocabulary: 300, context: 64, seed: 0 });
    await expect(prepare(join(folder, 'none.txt'))).rejects.toThrow(/none\.txt/);
    await writeFile(join(folder, 'short.txt'), 'Too short.');
    await expect(prepare(join(folder, 'short.txt'))).rejects.toThrow(
      /packed data, sequenceLength: \d+ tokens are too few for one sequence of 64 and a shift; use a shorter one/,
    );
  });
});

describe('a run', () => {
  it('that was stopped and goes on is the same to the bit as one that was not', async () => {
    const run = async (folder: string, more: Partial<LanguageModelRunOptions>, stopAfter?: number) => {
      await using runtime = nodeRuntime({ threads: 1 });
      const settings = settingsWith(tinyText, tiny);
      await using data = await prepareText({ ...settings, folder: join(folder, 'data'), seed: 3 });
      const abort = new AbortController();
      const every = { watch: 5, validate: 6, save: 100 };
      const running = runLanguageModel({
        runtime,
        settings,
        every,
        data,
        seed: 3,
        folder,
        signal: abort.signal,
        ...more,
      });
      for (;;) {
        const { value, done } = await running.next();
        if (done) return value;
        if (value.step === stopAfter) abort.abort();
      }
    };
    const shown = ({ state, history }: LanguageModelOutcome) => ({
      step: state.step,
      parameters: [...state.parameters],
      slots: [...state.slots],
      points: history.points.map(({ step, loss, gradientNorm, learningRate }) => [
        step,
        loss,
        gradientNorm,
        learningRate,
      ]),
      watched: history.watched,
      validation: history.validation,
    });
    const [whole, parts] = [await folderForTest(), await folderForTest()];
    const undisturbed = shown(await run(whole, {}));
    expect(undisturbed.step).toBe(12);
    expect(undisturbed.watched.map(({ step }) => step)).toEqual([1, 5, 10, 12]);
    expect(undisturbed.validation.map(({ step }) => step)).toEqual([6, 12]);
    expect(undisturbed.validation[1]!.perplexity).toBeCloseTo(Math.exp(undisturbed.validation[1]!.loss), 6);

    const stopped = await run(parts, {}, 7);
    expect(stopped.state.step).toBe(7);
    expect(JSON.parse(await readFile(join(parts, 'checkpoints/step-00000007/training.json'), 'utf8')).step).toBe(7);
    await expect(run(parts, {})).rejects.toThrow('train: there is a run at step 7 already');
    expect(shown(await run(parts, { resume: true }))).toEqual(undisturbed);
  });
});
