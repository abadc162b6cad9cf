import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openLocal } from '../../src/load/open-local.ts';
import { createModel } from '../../src/models/model.ts';
import { run } from '../../src/models/run.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { decoderFromConfig } from '../../src/train/decoder-config.ts';
import { writeHuggingFaceFolder } from '../../src/train/hugging-face-folder-node.ts';
import { languageModelTask } from '../../src/train/language-model.ts';
import { memoryCheckpoint, storedShapes, ungrouped } from '../../src/train/memory-checkpoint.ts';
import { sgd } from '../../src/train/optimizers/sgd.ts';
import { initialState } from '../../src/train/state.ts';
import { furthest, present, someIds } from '../models/support.ts';

const python = process.env.SINKLAB_PYTHON ?? '';

const config = {
  ...{ model_type: 'llama', hidden_size: 24, intermediate_size: 40, num_hidden_layers: 2, num_attention_heads: 6 },
  ...{ num_key_value_heads: 2, head_dim: 4, vocab_size: 97, max_position_embeddings: 64, tie_word_embeddings: true },
  ...{ bos_token_id: 1, eos_token_id: 2, rms_norm_eps: 1e-5, rope_theta: 10000 },
};

const fresh = (of: Readonly<Record<string, unknown>>, seed: number) => {
  const initial = { deviation: 0.3 };
  return initialState(languageModelTask(decoderFromConfig(of), { initial }), sgd(), seed).parameters;
};

async function folderForTest(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sinklab-train-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const logitsOf = async (checkpoint: Parameters<typeof createModel>[0]['checkpoint']) => {
  await using model = createModel({ checkpoint, runtime: nodeRuntime({ threads: 1 }) });
  return (await run(model, { ids: [someIds(11)] })).logits!.data as Float32Array;
};

/** What is no causal decoder of tokens alone. */
const others = [
  ...['bert', 'roberta', 'distilbert', 'electra', 'modernbert', 'openai_privacy_filter', 't5', 't5_v1_1', 'whisper'],
  ...['vit', 'deit', 'dinov2', 'dinov2_with_registers', 'dinov3_vit', 'siglip_vision', 'clip', 'llava'],
];

describe('stored shapes', () => {
  // Releases of GPT-2 leave out the prefix that transformers writes; MXFP4 experts are stored packed.
  const plain = (name: string) => name.replace(/^transformer\./, '');
  const familyOf = (name: string) => ungrouped.find((family) => name.startsWith(family));
  const decoders = present.filter(([name]) => !others.includes(name));
  const opened = async (folder: string) => {
    const checkpoint = await openLocal(folder);
    onTestFinished(() => checkpoint.close());
    return checkpoint;
  };

  it.each(decoders.filter(([name]) => familyOf(name)))('of %s are refused by name', async (name, folder) => {
    const { config } = await opened(folder);
    expect(() => storedShapes(config)).toThrow(`a model of family ${familyOf(name)} can be read but not written yet`);
  });

  it.each(present.filter(([name]) => others.includes(name)))('of %s are refused: no decoder', async (name, folder) => {
    const { config } = await opened(folder);
    expect(() => storedShapes(config)).toThrow(
      // How many classes it has is told by the file alone.
      name === 'openai_privacy_filter'
        ? 'configuration: tensor score.weight: expected shape [classes, width], got []'
        : /a causal decoder of tokens (alone )?is needed here$/,
    );
  });

  it.each(decoders.filter(([name]) => !familyOf(name) && name !== 'gpt_oss_mxfp4'))(
    'of %s are those of its file',
    async (_, folder) => {
      const { config, tensors } = await opened(folder);
      for (const [name, shape] of storedShapes(config))
        expect((tensors.get(name) ?? tensors.get(plain(name)))?.shape, name).toEqual(shape);
    },
  );
});

describe('a model that was made here', () => {
  it('runs from memory as it runs from its folder', async () => {
    const parameters = fresh(config, 1);
    const path = join(await folderForTest(), 'model');
    await writeHuggingFaceFolder(path, {
      config,
      parameters,
      files: { 'README.md': '# A model', 'tokenizer.json': {} },
    });
    expect((await readdir(path)).sort()).toEqual(
      ['README.md', 'config.json', 'generation_config.json', 'model.safetensors', 'tokenizer.json'].sort(),
    );
    expect(JSON.parse(await readFile(join(path, 'config.json'), 'utf8'))).toEqual({
      ...config,
      architectures: ['LlamaForCausalLM'],
      torch_dtype: 'float32',
    });
    const [memory, folder] = [
      await logitsOf(memoryCheckpoint(config, parameters)),
      await logitsOf(await openLocal(path)),
    ];
    expect(memory.length).toBe(11 * 97);
    expect(furthest(memory, folder)).toBeLessThan(1e-6);
  });

  it('is rounded to half precision where that is asked for', async () => {
    const parameters = fresh(config, 1);
    const path = join(await folderForTest(), 'half');
    await writeHuggingFaceFolder(path, { config, parameters, dtype: 'F16' });
    const [memory, folder] = [
      await logitsOf(memoryCheckpoint(config, parameters)),
      await logitsOf(await openLocal(path)),
    ];
    expect(furthest(memory, folder)).toBeGreaterThan(1e-5);
    expect(furthest(memory, folder)).toBeLessThan(2e-2);
  });

  it('replaces a folder only when asked to, and whole', async () => {
    const path = join(await folderForTest(), 'model');
    await writeHuggingFaceFolder(path, { config, parameters: fresh(config, 1), files: { 'old.txt': 'old' } });
    await expect(writeHuggingFaceFolder(path, { config, parameters: fresh(config, 2) })).rejects.toThrow(
      `${path}: exists already; remove it, choose another name, or ask to replace it`,
    );
    await writeHuggingFaceFolder(path, { config, parameters: fresh(config, 2), replace: true });
    expect((await readdir(path)).sort()).toEqual(['config.json', 'generation_config.json', 'model.safetensors']);
    expect(await readdir(join(path, '..'))).toEqual(['model']);
  });

  it('says by name what does not fit its configuration', () => {
    const parameters = new Map(fresh(config, 1));
    parameters.set('model.norm.weight', new Float32Array(3));
    expect(() => memoryCheckpoint(config, parameters)).toThrow(
      'parameters in memory: the configuration makes model.norm.weight [24], got 3 values',
    );
    const extra = new Map(fresh(config, 1)).set('lm_head.weight', new Float32Array(3));
    expect(() => memoryCheckpoint(config, extra)).toThrow(
      'parameters in memory: the configuration knows no parameter lm_head.weight',
    );
    expect(() => decoderFromConfig({ ...config, odd: 1 })).toThrow(
      'configuration: this key is not understood and may change results: "odd"',
    );
  });

  it.skipIf(!existsSync(python))(
    "has the logits of Python's transformers (needs Python with torch and transformers, SINKLAB_PYTHON)",
    async () => {
      const folder = await folderForTest();
      const kinds = {
        llama: config,
        gpt2: {
          ...{ model_type: 'gpt2', n_embd: 24, n_head: 4, n_layer: 2, n_positions: 64, vocab_size: 97 },
          ...{ activation_function: 'gelu_new', bos_token_id: 1, eos_token_id: 2 },
        },
      };
      for (const [name, kind] of Object.entries(kinds)) {
        const parameters = fresh(kind, 3);
        await writeHuggingFaceFolder(join(folder, name), { config: kind, parameters });
        const script = join(folder, `${name}.py`);
        await writeFile(
          script,
          [
            'import json, sys, torch',
            'from transformers import AutoModelForCausalLM',
            `model, info = AutoModelForCausalLM.from_pretrained(${JSON.stringify(join(folder, name))}, output_loading_info=True)`,
            `ids = torch.tensor([${JSON.stringify(someIds(11))}])`,
            'with torch.no_grad(): logits = model.float().eval()(ids).logits',
            "left = sorted(map(str, [*info['missing_keys'], *info['unexpected_keys'], *info['mismatched_keys']]))",
            "print(json.dumps({'logits': logits.flatten().tolist(), 'left': left}))",
          ].join('\n'),
        );
        const { stdout } = await promisify(execFile)(python, [script], { maxBuffer: 1 << 26 });
        const theirs = JSON.parse(stdout.trim().split('\n').at(-1)!) as { logits: number[]; left: string[] };
        expect(theirs.left, name).toEqual([]);
        expect(furthest(await logitsOf(memoryCheckpoint(kind, parameters)), theirs.logits), name).toBeLessThan(1e-4);
      }
    },
  );
});
