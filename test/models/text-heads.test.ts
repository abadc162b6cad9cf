import { describe, expect, it } from 'vitest';
import type { TokenBatch } from '../../src/models/input.ts';
import { run } from '../../src/models/run.ts';
import { familyFolder, furthest, open } from './support.ts';
import { type Variant, variant } from './text-variants.ts';

const folders = Object.fromEntries(
  ['bert', 'roberta', 'distilbert', 'electra', 'modernbert'].map((name) => [name, familyFolder(name)]),
);
const absent = Object.values(folders).includes(undefined);
const ids = [
  [30, 44, 89, 64, 76, 56, 90],
  [13, 32, 90, 30, 5, 44, 40],
];

/** Logits and other outputs of a variant. */
async function give(base: string, changes: Variant, batch: TokenBatch = { ids }) {
  await using model = await open(await variant(folders[base]!, changes));
  const { logits, outputs } = await run(model, batch);
  const all = new Map(outputs);
  if (logits) all.set('logits', logits);
  return Object.fromEntries([...all].map(([name, { shape, data }]) => [name, { shape, data: data as Float32Array }]));
}

const message = async (base: string, changes: Variant) => {
  const folder = await variant(folders[base]!, changes);
  const failure = await open(folder).then(
    () => 'loaded',
    (error: Error) => error.message,
  );
  return failure.replaceAll(folder, 'MODEL');
};

const matrix = (name: string, out: number, width = 32) => ({
  [`${name}.weight`]: [out, width],
  [`${name}.bias`]: [out],
});
const headless = /^(cls|lm_head|vocab_|generator_|head|decoder)/;
const modernHeadless = /^decoder/;
const of = (architecture: string) => ({ architectures: [architecture] });

/** Classes of each token of the first text, or of each text; computed by transformers 5.23 from the same numbers. */
const recorded: readonly (readonly [string, string, Variant, Readonly<Record<string, readonly number[]>>])[] = [
  [
    'bert',
    'BertForSequenceClassification',
    { without: headless, added: { ...matrix('bert.pooler.dense', 32), ...matrix('classifier', 3) } },
    { logits: [0.323022, 0.317294, -0.043445, 0.494933, 0.49657, 0.131224] },
  ],
  [
    'bert',
    'BertForTokenClassification',
    { without: headless, added: matrix('classifier', 3) },
    { logits: [1.973146, 2.402968, 2.33853, 1.942523, 2.372398, 2.310054, 2.361178, 2.742767, 2.607409] },
  ],
  [
    'bert',
    'BertForQuestionAnswering',
    { without: headless, added: matrix('qa_outputs', 2) },
    {
      start_logits: [1.973146, 1.942523, 2.361178, 2.017754, 0.799944, 2.342767, 2.555061, 1.576144],
      end_logits: [2.402968, 2.372398, 2.742767, 2.426151, 1.203584, 2.667398, 2.95076, 1.894549],
    },
  ],
  [
    'bert',
    'BertForPreTraining',
    { added: { ...matrix('bert.pooler.dense', 32), ...matrix('cls.seq_relationship', 2) } },
    {
      logits: [-0.820102, 0.52799, -0.521481, 1.123456, -0.63371, -1.085069],
      seq_relationship_logits: [0.248959, 0.081968, 0.331193, -0.064616],
    },
  ],
  [
    'roberta',
    'RobertaForSequenceClassification',
    { without: headless, added: { ...matrix('classifier.dense', 32), ...matrix('classifier.out_proj', 3) } },
    { logits: [0.750947, -0.601909, 0.998471, 0.338258, -0.051881, 0.456895] },
  ],
  [
    'roberta',
    'RobertaForTokenClassification',
    { without: headless, added: matrix('classifier', 3) },
    { logits: [0.706647, 1.141436, 1.166189, 0.354893, 0.737844, 0.737704, 0.182971, 0.76812, 0.968158] },
  ],
  [
    'distilbert',
    'DistilBertForSequenceClassification',
    { without: headless, added: { ...matrix('pre_classifier', 32), ...matrix('classifier', 3) } },
    { logits: [1.599915, 1.759154, 1.467117, 1.550849, 1.697633, 1.397247] },
  ],
  [
    'electra',
    'ElectraForPreTraining',
    {
      without: headless,
      added: {
        ...matrix('discriminator_predictions.dense', 32),
        ...matrix('discriminator_predictions.dense_prediction', 1),
      },
    },
    { logits: [0.012062, -0.153837, -0.119872, -0.105371, 0.150777, 0.040177, 0.282411, 0.118366] },
  ],
  [
    'electra',
    'ElectraForSequenceClassification',
    { without: headless, added: { ...matrix('classifier.dense', 32), ...matrix('classifier.out_proj', 3) } },
    { logits: [0.640757, -0.362005, 0.692443, 0.70992, -0.390582, 0.672859] },
  ],
  [
    'modernbert',
    'ModernBertForSequenceClassification',
    { without: modernHeadless, added: matrix('classifier', 3) },
    { logits: [1.069619, 1.091966, 0.70758, -0.126213, -0.145158, -0.488241] },
  ],
  [
    'modernbert',
    'ModernBertForTokenClassification',
    { without: modernHeadless, added: matrix('classifier', 3) },
    { logits: [1.069619, 1.091966, 0.70758, 0.76778, 0.866963, 0.574435, 0.224455, -0.203941, -0.952551] },
  ],
  [
    'roberta',
    'RobertaForMaskedLM',
    { added: matrix('lm_head.decoder', 97), config: { tie_word_embeddings: false } },
    { logits: [1.278345, -0.248504, -1.311598, -0.329988, 1.095177, 0.761995] },
  ],
  [
    'electra',
    'ElectraForMaskedLM',
    { added: { 'generator_lm_head.weight': [97, 16] }, config: { tie_word_embeddings: false } },
    { logits: [0.886347, -0.676616, -1.231334, -1.03636, 0.304625, 1.302654] },
  ],
  [
    'modernbert',
    'ModernBertForMaskedLM',
    { added: { 'decoder.weight': [97, 32] }, config: { tie_word_embeddings: false } },
    { logits: [0.960305, -0.236425, -0.867865, -0.31001, 0.831534, 1.12478] },
  ],
];

describe.skipIf(absent)('heads of releases (needs the shared fixtures: SINKLAB_FIXTURES)', () => {
  it.each(recorded)('%s: %s gives what transformers gives', async (base, architecture, changes, expected) => {
    const given = await give(base, { ...changes, config: { ...of(architecture), ...changes.config } });
    for (const [name, values] of Object.entries(expected))
      expect(furthest(given[name]!.data.subarray(0, values.length), values)).toBeLessThan(2e-5);
  });

  it('classes of texts are an output [B, C], those of tokens are logits [B, T, C]', async () => {
    const classifier = { without: headless, added: { ...matrix('bert.pooler.dense', 32), ...matrix('classifier', 3) } };
    const texts = await give('bert', { ...classifier, config: of('BertForSequenceClassification') });
    expect(Object.entries(texts).map(([name, { shape }]) => [name, shape])).toEqual([
      ['logits', [2, 3]],
      ['pooler_output', [2, 32]],
    ]);
    const tokens = await give('bert', { ...classifier, config: of('BertForTokenClassification') });
    expect(tokens.logits!.shape).toEqual([2, 7, 3]);
  });

  it('ModernBERT with biases everywhere gives what transformers gives', async () => {
    const vector = (name: string, size = 32) => [`${name}.bias`, [size]] as const;
    const blocks = [0, 1, 2].flatMap((layer) => {
      const at = (name: string) => `model.layers.${layer}.${name}`;
      const both = [vector(at('attn.Wqkv'), 96), vector(at('mlp.Wi'), 96), vector(at('attn.Wo')), vector(at('mlp.Wo'))];
      return [...both, vector(at('mlp_norm')), ...(layer === 0 ? [] : [vector(at('attn_norm'))])];
    });
    const others = ['model.embeddings.norm', 'model.final_norm', 'head.dense', 'head.norm'].map((name) => vector(name));
    const { logits } = await give('modernbert', {
      added: Object.fromEntries([...blocks, ...others]),
      config: { attention_bias: true, mlp_bias: true, norm_bias: true, classifier_bias: true },
    });
    const expected = [-0.610942, 0.869207, -0.344053, 0.354095, -0.666016, -0.555074];
    expect(furthest(logits!.data.subarray(0, 6), expected)).toBeLessThan(2e-5);
  });

  it('a mean over tokens leaves out padding, as transformers leaves it out', async () => {
    const { logits } = await give(
      'modernbert',
      {
        without: modernHeadless,
        added: matrix('classifier', 3),
        config: { ...of('ModernBertForSequenceClassification'), classifier_pooling: 'mean' },
      },
      { ids: [ids[0]!, ids[1]!.slice(0, 4)] },
    );
    expect(furthest(logits!.data, [0.671664, 0.538073, 0.034729, -0.583795, -0.857508, -1.407799])).toBeLessThan(2e-5);
  });

  it('token types are added, as transformers adds them', async () => {
    const types = [
      [0, 0, 0, 1, 1, 1, 1],
      [0, 0, 0, 0, 0, 1, 1],
    ];
    const [, architecture, changes] = recorded[0]!;
    const { logits } = await give('bert', { ...changes, config: of(architecture) }, { ids, types });
    expect(furthest(logits!.data, [0.246887, 0.2766, -0.045983, 0.387774, 0.405927, 0.063152])).toBeLessThan(2e-5);
  });

  it('names of LayerNorms as TensorFlow had them, stored copies of tied tensors and counted positions change nothing', async () => {
    const old = await give('bert', {
      names: (name) => name.replace('LayerNorm.weight', 'LayerNorm.gamma').replace('LayerNorm.bias', 'LayerNorm.beta'),
      tensors(all) {
        all.set('cls.predictions.decoder.weight', all.get('bert.embeddings.word_embeddings.weight')!);
        all.set('cls.predictions.decoder.bias', all.get('cls.predictions.bias')!);
        all.set('bert.embeddings.position_ids', { dtype: 'F32', shape: [1, 128], values: new Float32Array(128) });
      },
      config: { position_embedding_type: 'absolute', pruned_heads: {}, gradient_checkpointing: false },
    });
    expect(furthest(old.logits!.data, (await give('bert', {})).logits!.data)).toBe(0);
  });

  it('the same LayerNorm under both names is refused', async () => {
    expect(
      await message('bert', {
        tensors: (all) => {
          all.set('bert.embeddings.LayerNorm.gamma', all.get('bert.embeddings.LayerNorm.weight')!);
        },
      }),
    ).toBe('MODEL: "bert.embeddings.LayerNorm.weight" and "bert.embeddings.LayerNorm.gamma" are the same tensor');
  });

  it('an output table of its own and its bias are read where the weights are not tied', async () => {
    const scaled = await give('bert', {
      tensors(all) {
        const table = all.get('bert.embeddings.word_embeddings.weight')!;
        const twice = { ...table, values: Float32Array.from(table.values as Float32Array, (value) => 2 * value) };
        all.set('cls.predictions.decoder.weight', twice);
        all.set('cls.predictions.decoder.bias', { dtype: 'F32', shape: [97], values: new Float32Array(97) });
      },
      config: { tie_word_embeddings: false },
    });
    const plain = await give('bert', {
      tensors: (all) => all.set('cls.predictions.bias', { dtype: 'F32', shape: [97], values: new Float32Array(97) }),
    });
    expect(
      furthest(
        scaled.logits!.data,
        plain.logits!.data.map((value) => 2 * value),
      ),
    ).toBeLessThan(1e-5);
  });

  it.each(['bert', 'roberta', 'distilbert', 'electra', 'modernbert'])(
    '%s by itself, under names without its first part, is read',
    async (base) => {
      const folder = await variant(folders[base]!, {
        without: headless,
        names: (name) => name.replace(new RegExp(`^(${base}|model)\\.`), ''),
      });
      await using alone = await open(folder);
      await using whole = await open(folders[base]!);
      const capture = ['ln_final.hook_out'] as const;
      const result = await run(alone, { ids }, { capture });
      expect(result.logits).toBeUndefined();
      expect(
        furthest(
          result.captured.get(capture[0])!.data as Float32Array,
          (await run(whole, { ids }, { capture })).captured.get(capture[0])!.data as Float32Array,
        ),
      ).toBeLessThan(1e-6);
    },
  );

  it.each([
    [
      'bert',
      'a classifier without a word of what it classifies',
      { added: matrix('classifier', 3), config: of('BertModel') },
      'MODEL config.json: "architectures" expected one name that ends in ForSequenceClassification or ForMultipleChoice or ForTokenClassification, got ["BertModel"]',
    ],
    [
      'bert',
      'a classifier of texts without its pooler',
      { without: headless, added: matrix('classifier', 3), config: of('BertForSequenceClassification') },
      'MODEL: missing tensors for family bert: bert.pooler.dense.weight, bert.pooler.dense.bias; the files may be incomplete, or config.json belongs to another model',
    ],
    [
      'electra',
      'the head over several choices',
      { without: headless, added: matrix('sequence_summary.summary', 32), config: of('ElectraForMultipleChoice') },
      'MODEL: tensors that family electra does not read: sequence_summary.summary.weight, sequence_summary.summary.bias; results without them would be wrong',
    ],
    [
      'bert',
      'relative positions',
      { config: { position_embedding_type: 'relative_key' } },
      'MODEL config.json: "position_embedding_type" expected "absolute", got "relative_key"',
    ],
    ['bert', 'a decoder', { config: { is_decoder: true } }, 'MODEL config.json: "is_decoder" expected false, got true'],
    [
      'bert',
      'pruned heads',
      { config: { pruned_heads: { 0: [1] } } },
      'MODEL config.json: "pruned_heads" expected no pruned heads, got {"0":[1]}',
    ],
    [
      'bert',
      'a head for answers with three rows',
      { without: headless, added: matrix('qa_outputs', 3) },
      'MODEL: tensor qa_outputs.weight: expected two rows, for start and end, got [3,32]',
    ],
    [
      'modernbert',
      'one base for all layers',
      { config: { rope_theta: 10000 } },
      'MODEL config.json: "rope_theta" expected nothing: ModernBERT has global_rope_theta and local_rope_theta, got 10000',
    ],
    [
      'roberta',
      'a table without rows for positions',
      { config: { pad_token_id: 200 } },
      'MODEL config.json: "max_position_embeddings" expected more than pad_token_id + 1, 201, got 130',
    ],
  ] as const)('%s with %s is refused by name', async (base, _, changes, expected) => {
    expect(await message(base, changes)).toBe(expected);
  });
});

describe.skipIf(absent)("RoBERTa's positions (needs the shared fixtures: SINKLAB_FIXTURES)", () => {
  it('count tokens that are not padding, as transformers counts them', async () => {
    const holes = { ids: [[30, 44, 0, 64, 76, 0, 90], ids[1]!] };
    const { logits } = await give('roberta', {}, holes);
    expect(
      furthest(logits!.data.subarray(0, 6), [0.073244, 0.67258, -0.899708, 0.108595, -0.725145, -0.383812]),
    ).toBeLessThan(2e-5);
    const text = [89, 64, 76, 56, 90];
    const config = { pad_token_id: 5 };
    const padded = await give(
      'roberta',
      { config },
      { ids: [[5, 5, ...text]], attentionMask: [[0, 0, 1, 1, 1, 1, 1]] },
    );
    expect(
      furthest(padded.logits!.data.subarray(-6), [0.721841, -0.253441, -0.253163, -1.645428, -0.240779, 0.553482]),
    ).toBeLessThan(2e-5);
  });

  it('are the same for a text alone and for one that is padded on either side', async () => {
    const config = { pad_token_id: 5 };
    const short = [89, 64, 76];
    const alone = await give('roberta', { config }, { ids: [short] });
    for (const padding of ['left', 'right'] as const) {
      const { logits } = await give('roberta', { config }, { ids: [[30, 44, 89, 64, 76], short], padding });
      const start = 97 * (padding === 'left' ? 7 : 5);
      expect(furthest(logits!.data.subarray(start, start + 3 * 97), alone.logits!.data)).toBeLessThan(1e-5);
    }
  });

  it.each(['xlm-roberta', 'camembert'])('are those of %s too', async (model_type) => {
    const [other, own] = [await give('roberta', { config: { model_type } }), await give('roberta', {})];
    expect(furthest(other.logits!.data, own.logits!.data)).toBe(0);
  });

  it('are as many as the table has rows behind the padding', async () => {
    await using model = await open(folders.roberta!);
    expect(model.stack.sizes.maxPositions).toBe(129);
  });
});
