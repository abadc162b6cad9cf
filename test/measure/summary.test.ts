import { describe, expect, it } from 'vitest';
import type { Control, MassiveActivation, SinkRate, SinkToken, TokenInfo } from '../../src/measure/result.ts';
import { type Summarised, summarise } from '../../src/measure/summary.ts';
import { layerList, percent, percentRange, quoted } from '../../src/measure/summary-words.ts';

const rate = (mean: number, uniform = 0, n = 100): SinkRate => ({
  epsilon: 0.3,
  rate: { mean, deviation: n > 1 ? 0.02 : 0, n },
  uniform,
});
const token = (position: number, text = 'a', role: TokenInfo['role'] = 'text'): TokenInfo => ({
  position,
  id: position,
  text,
  role,
  class: 'letter',
});
const control = (name: Control['name'], mean: number, received = [[0]]): Control => ({
  name,
  tells: '',
  rates: [rate(mean)],
  received,
  largestRatio: 1,
});
const sink = (position: number, text: string, more: Partial<SinkToken> = {}): SinkToken => ({
  ...token(position, text),
  queries: 900,
  received: 0.45,
  excess: 0.44,
  kind: 'primary',
  firstLayer: 1,
  lastLayer: 2,
  ...more,
});
const massive = (layer: number, value: number, ratio = 4000): MassiveActivation => ({
  layer,
  position: 0,
  dimension: 133,
  value,
  ratio,
  massive: ratio >= 1000,
});

/** A model of four layers and two heads; layers 1 and 2 send 40 and 70 % to the first token. */
function resultWith(change: (result: Summarised) => void = () => {}): Summarised {
  const result: Summarised = {
    schema: 'sinklab.scan/1',
    sinklab: '0.1.0',
    date: '2026-01-01T00:00:00Z',
    run: { runtime: 'test', device: 'cpu', threads: 2, seconds: 1, peakBytes: 1 },
    model: {
      ...{ source: 'm', family: 'llama', layers: 4, heads: 2, keyValueHeads: 2, headWidth: 8, modelWidth: 16 },
      ...{ vocabulary: 100, parameters: 1000, windows: [null, null, null, null], learnedSinks: [] },
      provenance: { format: 'safetensors', dtypes: ['F32'], ropePairing: 'half-split', files: [] },
    },
    input: {
      ...{ bos: 'auto', bosAdded: false, firstIds: [0], source: 'text', protocol: { texts: 100, tokens: 64 } },
      page: Array.from({ length: 100 }, (_, position) => token(position)),
    },
    sinkRates: [rate(0.48)],
    alpha: [
      [0.1, 0.1],
      [0.35, 0.47],
      [0.6, 0.82],
      [0.1, 0.1],
    ],
    received: [
      [0.08, 0.08],
      [0.35, 0.45],
      [0.6, 0.8],
      [0.08, 0.08],
    ],
    uniform: [0.06, 0.06, 0.06, 0.06],
    page: {
      received: [],
      uniform: [],
      topSink: [],
      sinks: [sink(0, 'a')],
      massive: [massive(1, 9100), massive(2, 9000, 3900)],
      written: 1,
      erased: 3,
      curves: {
        largest: [
          [1, 1, 1],
          [9100, 3, 2],
          [9000, 3, 2],
          [2, 1, 1],
        ],
        median: [0.5, 2.275, 2.3, 0.5],
      },
      measured: [],
      patterns: [],
    },
    controls: [
      control('shuffled, first token kept', 0.47),
      control('shuffled, first token moved', 0.46, [
        [0.08, 0.08],
        [0.35, 0.4],
        [0.6, 0.7],
        [0.08, 0.08],
      ]),
      control('random initialisation', 0),
      control('weights permuted', 0),
    ],
    notes: [],
  };
  change(result);
  return result;
}

const sentences = (change?: (result: Summarised) => void) => summarise(resultWith(change));

describe('the summary of a scan', () => {
  it('says how many heads, which layers, what the token carries and what the controls show', () => {
    expect(sentences()).toEqual([
      'Sink rate at ε 0.3: 48 % of heads have a sink on the first token (100 texts of 64 tokens, deviation 2 %); under uniform attention 0 %.',
      'Layers 1–2 send 40–70 % of their attention to the first token, whatever it is (under uniform attention 6 %).',
      'No BOS token was added: the first token is whatever the text begins with.',
      'After layers 1–2 the first token carries a huge number: 9,100 at its largest, in dimension 133, 4,000 × the median of its layer.',
      'Controls (sink rate of the text: 48 %): shuffled text with its first token kept: the same, 47 %; shuffled text with another token first: the same, 46 %; random initialisation: no head does; permuted weights: no head does.',
    ]);
  });

  it('does not say "whatever it is" of a BOS, which no control moves', () => {
    const [, line] = sentences((r) => (r.input.page[0]!.role = 'bos'));
    expect(line).toBe('Layers 1–2 send 40–70 % of their attention to the first token (under uniform attention 6 %).');
  });

  it('tells which key of a memory receives most, and of a sound how much the silence behind it does', () => {
    const keys = Array.from({ length: 4 }, (_, s) => ({ ...token(s, `${s}.00s`, 'frame'), seconds: s }));
    const change = (r: Summarised) => {
      r.page.cross = {
        ...{ keys, top: 3, sinks: [], measured: [], patterns: [] },
        received: [[0.5, 0.3, 0.15, 0.05], null, [0.1, 0.1, 0.15, 0.65]],
        topKey: [[0.04, 0.06], null, [0.6, 0.7]],
      };
    };
    const heard =
      'Cross-attention: key 3 ("3.00s") receives most, 35 % over all layers and heads (under uniform attention 25 %).';
    expect(sentences(change)).toContain(heard);
    expect(sentences(change).some((sentence) => sentence.includes('silence'))).toBe(false);
    const all = sentences((r) => {
      change(r);
      r.input.spectrogram = { bins: 1, columns: 1, columnSeconds: 4, soundSeconds: 1.5, values: 'AA==' };
    });
    expect(all).toContain(
      'The silence that fills the input up behind 1.5 s of sound receives 50 % of the cross-attention (under uniform attention 50 %).',
    );
  });

  it('counts heads with a pattern only, where some layers have none', () => {
    const [first, second] = sentences((r) => {
      r.received[1] = null;
      r.uniform[1] = null;
    });
    expect(first).toMatch(/^Sink rate at ε 0\.3: 48 % of heads with a pattern have a sink on the first token /);
    expect(second).toMatch(/^Layer 2 sends 70 % of its attention to the first token/);
  });

  it('names the class token of an encoder, its strongest layer for another sink, and tokens of high norm', () => {
    const all = sentences((r) => {
      r.model.causal = false;
      r.input.page[0] = token(0, '[CLS]', 'class');
      r.sinkRates = [rate(0)];
      r.page.topSink = [[0.2, 0.3], null, [0.7, 0.5], [0.1, 0.1]];
      r.page.sinks = [sink(63, '[SEP]')];
      r.page.highNorm = [{ ...token(12, ','), firstLayer: 1, lastLayer: 2, layer: 2, norm: 90, ratio: 6.04 }];
    });
    expect(all[0]).toBe(
      'No attention sink on the class token: at ε 0.3 none of the heads has one (100 texts of 64 tokens, deviation 2 %).',
    );
    expect(all).toContain(
      'On the page the strongest sink is not the class token but "[SEP]" at position 63: it receives 45 % over all layers and heads (under uniform attention 1 %), the most in layer 2, 60 %.',
    );
    expect(all).toContain(
      'High norm on the page: 1 token; the longest, "," at position 12, has 6 × the median after layer 2.',
    );
    expect(all.join()).not.toContain('BOS');
  });

  it('announces sinks of bidirectional attention from 32 tokens on', () => {
    const change = (r: Summarised, tokens: number) => {
      r.model.causal = false;
      delete r.input.protocol;
      r.input.page = r.input.page.slice(0, tokens);
    };
    expect(sentences((r) => change(r, 31))[0]).toBe(
      'The text has 31 tokens: under 32 no attention sink is announced, because every mean would be over too few queries.',
    );
    expect(sentences((r) => change(r, 32))[0]).toMatch(/^Sink rate at ε 0\.3: 48 % of heads have a sink/);
  });

  it('says "whatever it is" only when the layers keep it with another token in front', () => {
    const line = 'Layers 1–2 send 40–70 % of their attention to the first token (under uniform attention 6 %).';
    expect(sentences((r) => r.controls.splice(1, 1))[1]).toBe(line);
    expect(
      sentences((r) => {
        r.controls[1]!.received = [[0], [0.1], [0.1], [0]];
      })[1],
    ).toBe(line);
  });

  it('names the BOS token where there is one', () => {
    expect(
      sentences((r) => {
        r.input.bosAdded = true;
        r.input.page[0] = token(0, '<s>', 'bos');
      }),
    ).toContain('The first token is the BOS token "<s>".');
  });

  it('names the strongest head where no layer as a whole has a sink', () => {
    const lines = sentences((r) => {
      r.received = [
        [0.1, 0.1],
        [0.1, 0.45],
        [0.1, 0.1],
        [0.1, 0.1],
      ];
    });
    expect(lines[1]).toBe(
      'No layer as a whole sends more than 30 % of its attention to the first token; the strongest head is head 1 of layer 1 with 45 % (under uniform attention 6 %).',
    );
  });

  it('announces no sink when no head has one', () => {
    const lines = sentences((r) => {
      r.sinkRates = [rate(0)];
      r.page.sinks = [];
      r.page.massive = [];
      r.page.curves.largest = [[6, 1, 1]];
      r.page.curves.median = [0.5];
      r.controls = [];
    });
    expect(lines).toEqual([
      'No attention sink on the first token: at ε 0.3 none of the heads has one (100 texts of 64 tokens, deviation 2 %).',
      'On the page no token stands out as a sink.',
      'No massive activation: the largest residual entry is 12 × the median of its layer (the criterion: above 100 and at least 1,000 ×).',
      'No control was run (--controls): these figures alone do not tell what was learnt from what the text or the architecture brings.',
    ]);
  });

  it('announces no sink at or below the rate of uniform attention', () => {
    expect(
      sentences((r) => {
        r.sinkRates = [rate(0.2, 0.25)];
      })[0],
    ).toBe(
      'No attention sink is announced: the sink rate at ε 0.3 is 20 % of heads (100 texts of 64 tokens, deviation 2 %), not above the 25 % of uniform attention.',
    );
  });

  it('announces nothing about sinks under 64 tokens', () => {
    const lines = sentences((r) => {
      delete r.input.protocol;
      r.input.page = r.input.page.slice(0, 40);
    });
    expect(lines).toEqual([
      'The text has 40 tokens: under 64 no attention sink is announced, because uniform attention alone gives short texts high sink rates.',
      'After layers 1–2 the first token carries a huge number: 9,100 at its largest, in dimension 133, 4,000 × the median of its layer.',
    ]);
  });

  it('keeps the rates of a full protocol beside a page that is too short', () => {
    const lines = sentences((r) => {
      r.input.page = r.input.page.slice(0, 40);
      r.page.sinks = [];
    });
    expect(lines[0]).toContain('48 % of heads');
    expect(lines).toContain('The page has 40 tokens: under 64 no sink tokens are announced from it.');
  });

  it('gives a single text without a deviation', () => {
    expect(
      sentences((r) => {
        delete r.input.protocol;
        r.sinkRates = [rate(0.48, 0, 1)];
      })[0],
    ).toBe(
      'Sink rate at ε 0.3: 48 % of heads have a sink on the first token (one text of 100 tokens); under uniform attention 0 %.',
    );
  });

  it('counts window layers apart and leaves them out of the sentence about layers', () => {
    const lines = sentences((r) => {
      r.model.windows = [null, 16, null, null];
      r.sinkRatesWindow = [rate(0.03, 0)];
    });
    expect(lines[0]).toContain('48 % of heads in layers with full attention have a sink');
    expect(lines[1]).toBe(
      'Layer 2 sends 70 % of its attention to the first token, whatever it is (under uniform attention 6 %).',
    );
    expect(lines).toContain(
      'Layers with a sliding window are counted apart: 3 % of their heads have a sink on the first token (under uniform attention 0 %).',
    );
  });

  it('says so when every layer has a narrow window', () => {
    const lines = sentences((r) => {
      r.model.windows = [16, 16, 16, 16];
      r.sinkRatesWindow = r.sinkRates;
    });
    expect(lines[0]).toContain('48 % of heads have a sink');
    expect(lines[1]).toBe('No BOS token was added: the first token is whatever the text begins with.');
    expect(lines[2]).toBe(
      'Every layer has a sliding window narrower than the text: only the queries within it see the first token.',
    );
  });

  it('gives the mass of learned sinks, or says that it was not measured', () => {
    const learned = (rows?: (number[] | null)[]) =>
      sentences((r) => {
        r.model.learnedSinks = [0, 2];
        if (rows) r.page.learnedSink = rows;
      }).find((line) => line.includes('learned sink'));
    expect(learned([[0.3, 0.4], null, [0.6, 0.6], null])).toBe(
      'Layers 0 and 2 have a learned sink beside the keys: on the page it takes 35–60 % of the attention.',
    );
    expect(learned()).toBe('Layers 0 and 2 have a learned sink beside the keys; its mass was not measured.');
  });

  it('names a strongest sink that is not the first token, secondary sinks, and counts the rest', () => {
    const lines = sentences((r) => {
      r.page.sinks = [
        sink(12, '\n'),
        sink(31, ',', { kind: 'secondary', firstLayer: 2, lastLayer: 3 }),
        sink(40, ' ', { kind: 'secondary', firstLayer: 2, lastLayer: 2 }),
        sink(41, ' ', { kind: 'secondary' }),
        sink(42, ' ', { kind: 'secondary' }),
        sink(50, 'x', { kind: 'attention only' }),
      ];
    });
    expect(lines).toContain(
      'On the page the strongest sink is not the first token but "\n" at position 12: it receives 45 % over all layers and heads (under uniform attention 1 %).',
    );
    expect(lines).toContain(
      'Secondary sinks on the page: "," at position 31 (layers 2–3), " " at position 40 (layer 2), " " at position 41 (layers 1–2) and 1 more.',
    );
    expect(lines).toContain("1 more token draws over 30 % of some head's attention on the page.");
  });

  it('gives a negative massive activation its sign, and places one that is elsewhere', () => {
    const line = sentences((r) => {
      r.page.massive = [{ layer: 2, position: 5, dimension: 7, value: -1223.5, ratio: 2345, massive: true }];
    }).find((sentence) => sentence.includes('huge number'));
    expect(line).toBe(
      'After layer 2 position 5 ("a") carries a huge number: -1,220 at its largest, in dimension 7, 2,300 × the median of its layer.',
    );
  });

  it('calls a borderline massive activation borderline', () => {
    expect(
      sentences((r) => {
        r.page.massive = [massive(3, 150, 750)];
      }),
    ).toContain(
      'A borderline massive activation: 150 in dimension 133 of the first token after layer 3, 750 × the median (the criterion is 1,000 ×).',
    );
  });

  it('compares controls in figures and names those not run', () => {
    const lines = sentences((r) => {
      r.controls = [control('shuffled, first token kept', 0.2), control('shuffled, first token moved', 0.6)];
    });
    expect(lines.slice(-2)).toEqual([
      'Controls (sink rate of the text: 48 %): shuffled text with its first token kept: fewer, 20 %; shuffled text with another token first: more, 60 %.',
      'Controls not run: random initialisation and permuted weights.',
    ]);
  });

  it('warns when a control without learnt weights shows as many sinks', () => {
    const lines = sentences((r) => {
      r.controls[3] = control('weights permuted', 0.45);
    });
    expect(lines.at(-1)).toBe('With permuted weights there are as many sinks: they are no sign of anything learnt.');
  });
});

describe('the words of the summary', () => {
  it('round shares to whole per cent without hiding small ones', () => {
    expect([0, 0.001, 0.005, 0.484, 1].map(percent)).toEqual(['0 %', 'under 1 %', '1 %', '48 %', '100 %']);
    expect(percentRange([0.4, 0.7])).toBe('40–70 %');
    expect(percentRange([0.401, 0.399])).toBe('40 %');
    expect(percentRange([0.001, 0.3])).toBe('up to 30 %');
  });

  it('join runs of layers', () => {
    expect(layerList([3])).toBe('layer 3');
    expect(layerList([1, 2, 3, 7, 9, 10])).toBe('layers 1–3, 7 and 9–10');
  });

  it('quote token texts and cut them by code points, leaving escapes to the views', () => {
    expect(quoted('</script>')).toBe('"</script>"');
    expect(quoted('😀'.repeat(40))).toBe(`"${'😀'.repeat(15)}…"`);
    expect(quoted('\u202e')).toBe('"\u202e"');
  });
});
