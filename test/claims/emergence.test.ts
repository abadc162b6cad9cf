import { beforeAll, describe, expect, it } from 'vitest';
import { positions } from '../../src/attention/positions/positions.ts';
import { attentionNamed, attentionNames } from '../../src/claims/emergence/attention.ts';
import { type EmergenceResult, emergence } from '../../src/claims/emergence/experiment.ts';
import { factors, settingOf } from '../../src/claims/emergence/factors.ts';
import { sequencesOf, T } from '../../src/claims/emergence/sequences.ts';
import { baseSetting, type EmergenceSetting, firstTokens } from '../../src/claims/emergence/setting.ts';
import { emergenceShards } from '../../src/claims/emergence/shards.ts';
import { verdictOf } from '../../src/claims/emergence/verdict.ts';
import { emergenceReport } from '../../src/cli/emergence-report.ts';
import { writeEmergenceJson } from '../../src/report/emergence-json.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { bosId } from '../../src/train/toys/backcopy-language.ts';

const short = { steps: 2, every: 1, batch: 4 };

async function run(change: Partial<EmergenceSetting>, seed = 0): Promise<EmergenceResult> {
  await using runtime = nodeRuntime({ threads: 1 });
  return await emergence.run({ ...baseSetting, ...short, ...change }, seed, { runtime });
}

describe('sequences', () => {
  const rows = (firstToken: EmergenceSetting['firstToken']) =>
    sequencesOf({ ...baseSetting, firstToken, batch: 4000 }, 0).batch(0);
  const share = (ids: readonly number[][], place: number) =>
    ids.filter((row) => row[place] === bosId).length / ids.length;

  it.each([
    ['fixed', [1, 0, 0]],
    ['free', [0, 0, 0]],
    ['random', [0, 0, 0]],
    ['fixed second', [0, 1, 0]],
    ['fixed third', [0, 0, 1]],
  ] as const)('%s: the fixed token stands where it should and nowhere else', (first, expected) => {
    const ids = rows(first);
    expect(ids.every((row) => row.length === T + 1)).toBe(true);
    expect([0, 1, 2].map((place) => share(ids, place))).toEqual(expected);
    expect(ids.some((row) => row.slice(3).includes(bosId))).toBe(false);
  });

  it('a random token is uniform over the words; a free one is not', () => {
    const counts = (ids: readonly number[][], place: number) => {
      const found = new Array<number>(bosId).fill(0);
      for (const row of ids) found[row[place]!]!++;
      return Math.max(...found) / ids.length;
    };
    expect(counts(rows('free'), 0)).toBeGreaterThan(0.05);
    expect(counts(rows('random'), 0)).toBeLessThan(0.045);
    expect(counts(rows('two random'), 1)).toBeLessThan(0.045);
    expect(counts(rows('second random'), 1)).toBeLessThan(0.045);
  });

  it('are drawn again and again from as many as were asked for, and never from those held out', () => {
    const { batch, heldOut } = sequencesOf({ ...baseSetting, sequences: 5, batch: 64 }, 0);
    const seen = new Set([0, 1, 2].flatMap((i) => batch(i).map((row) => row.join())));
    expect(seen.size).toBe(5);
    expect(heldOut.filter((row) => seen.has(row.join()))).toEqual([]);
  });

  it('are the same for the same seed', () => {
    const of = (seed: number) => sequencesOf(baseSetting, seed).batch(3);
    expect(of(1)).toEqual(of(1));
    expect(of(1)).not.toEqual(of(2));
  });
});

describe('a run', () => {
  it('starts near uniform attention, the loss near ln 33', async () => {
    const [look] = (await run({})).looks;
    const uniform = Array.from({ length: T }, (_, t) => 1 / (t + 1) / T).reduce((a, b) => a + b, 0);
    expect(look!.alpha).toBeCloseTo(uniform, 1);
    expect(look!.sinkRate).toEqual([0, 0, 0, 0, 0]);
    expect(Math.abs(look!.loss - Math.log(33))).toBeLessThan(0.5);
    expect(look!.nullRate).toBeNull();
    expect(look!.mass).toBeNull();
  });

  it('gives the same bits twice', async () => {
    const [{ looks: one }, { looks: other }] = [await run({}, 4), await run({}, 4)];
    expect(one).toEqual(other);
  });

  it.each(attentionNames)('%s trains, and says what its rows are', async (attention) => {
    const { looks } = await run({ attention });
    const { rows } = attentionNamed(attention);
    const last = looks.at(-1)!;
    expect(last.loss).toBeLessThan(looks[0]!.loss);
    expect(last.mass === null).toBe(rows === 'one');
    expect(last.nullRate !== null).toBe(/^KV? bias$/.test(attention));
  });

  it.each(Object.keys(positions) as (keyof typeof positions)[])('%s positions train', async (position) => {
    const { looks } = await run({ position });
    expect(looks.at(-1)!.loss).toBeLessThan(looks[0]!.loss);
  });

  it('a prefix is seen by all and not predicted, a window hides what is far', async () => {
    const [plain, prefix, window] = [await run({}), await run({ prefix: 5 }), await run({ window: 4 })];
    expect(prefix.looks[0]!.loss).not.toBe(plain.looks[0]!.loss);
    // With a window of 4 the first key is seen by 4 of 64 queries.
    expect(window.looks[0]!.alpha).toBeLessThan(4 / T);
  });
});

describe('factors', () => {
  it('name every kind of first token, position and attention somewhere', () => {
    const settings = factors.flatMap((factor) => factor.rows.map((row) => settingOf(factor, row)));
    const named = <K extends keyof EmergenceSetting>(key: K) => new Set(settings.map((setting) => setting[key]));
    expect([...named('firstToken')].sort()).toEqual([...firstTokens].sort());
    expect([...named('position')].sort()).toEqual(Object.keys(positions).sort());
    expect([...named('attention')].sort()).toEqual([...attentionNames].sort());
  });

  it('share the runs of the base setting', () => {
    const rows = factors.reduce((total, factor) => total + factor.rows.length, 0);
    const { shards, places } = emergenceShards(factors, [0, 1]);
    expect(shards.length).toBeLessThan(2 * rows - 10);
    const base = new Set(
      places.map((factor, f) => factor[factors[f]!.rows.findIndex(({ label }) => label === 'base')]?.[0]),
    );
    base.delete(undefined);
    expect(base.size).toBe(1);
  });
});

describe('verdicts', () => {
  const rowWith = (label: string, sink: readonly number[], nullRate: number | null = null, first = 0) => {
    const look = {
      loss: 2,
      sinkRate: [...sink, 0, 0, 0, 0].slice(0, 5),
      alpha: 0.1,
      nullRate,
      nullMass: nullRate,
      mass: null,
      largestRatio: 5,
      firstNormRatio: 1,
      gradientNorm: 1,
    };
    return {
      label,
      runs: [
        {
          looks: [
            { ...look, step: 1, sinkRate: [first, 0, 0, 0, 0] },
            { ...look, step: 2 },
          ],
          parameters: 1,
          seconds: 1,
        },
      ],
    };
  };

  it('a sink that emerges is shown; one that was there at the start, or never comes, is not', () => {
    expect(verdictOf('steps', [rowWith('base', [0.9])])).toBe('shown');
    expect(verdictOf('steps', [rowWith('base', [0.9], null, 0.9)])).toBe('in part');
    expect(verdictOf('steps', [rowWith('base', [0.2], null, 0.9)])).toBe('not shown at this scale');
  });

  it('a key bias must take the sink over, not stand beside it', () => {
    const rows = (k: ReturnType<typeof rowWith>) => [
      rowWith('none', [0]),
      rowWith('sink token', [0.9]),
      rowWith('KV bias', [0], 0.9),
      k,
      rowWith('V bias', [0]),
    ];
    expect(verdictOf('biases', rows(rowWith('K bias', [0], 0.9)))).toBe('shown');
    expect(verdictOf('biases', rows(rowWith('K bias', [0.9], 0.1)))).toBe('in part');
  });

  it('a factor without a check is an error', () => {
    expect(() => verdictOf('colour', [])).toThrow('emergence: no check for factor colour');
  });
});

describe('a report', () => {
  let json: string;
  beforeAll(async () => {
    const [chosen, seeds] = [factors.filter(({ name }) => name === 'steps'), [0, 1]];
    const { shards, places } = emergenceShards(chosen, seeds, short);
    const results = await Promise.all(shards.map(({ setting, seed }) => run(setting, seed)));
    json = writeEmergenceJson(
      emergenceReport(chosen, seeds, results, places, { version: '0', runtime: 'test', node: '20' }),
    );
  });

  it('holds every seed of every row, and is valid JSON of its schema', () => {
    const report = JSON.parse(json);
    expect(report.format).toBe('sinklab.emergence/1');
    expect(report.factors[0].rows[0].runs.map(({ seed }: { seed: number }) => seed)).toEqual([0, 1]);
    expect(report.uniform).toBe(0);
  });
});
