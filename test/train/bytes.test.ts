import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { DEFAULT_TEXT } from '../../src/load/default-text.ts';
import { loadTokenizer } from '../../src/load/tokenizer-node.ts';
import { load } from '../../src/models/load-node.ts';
import { run } from '../../src/models/run.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { writeHuggingFaceFolder } from '../../src/train/hugging-face-folder-node.ts';
import { settingsWith } from '../../src/train/recipes/recipe.ts';
import { runLanguageModel } from '../../src/train/recipes/run-language-model-node.ts';
import { prepareText } from '../../src/train/recipes/text-data-node.ts';
import { tinyBytes } from '../../src/train/recipes/tiny-bytes.ts';
import { furthest } from '../models/support.ts';

const python = process.env.SINKLAB_PYTHON ?? '';
const strings = ['Emma Woodhouse', 'naïve\u0000 – 日本 🙂\r\n', '  12 <|x|>', ''];

async function folderForTest(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sinklab-bytes-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The recipe in small, trained for a few steps into an ordinary folder. */
async function trained() {
  const folder = await folderForTest();
  const settings = settingsWith(tinyBytes, { width: 16, heads: 2, context: 32, batch: 2, steps: 4 });
  await using runtime = nodeRuntime({ threads: 1 });
  await using data = await prepareText({ ...settings, folder: join(folder, 'data'), seed: 0 });
  const running = runLanguageModel({ runtime, settings, every: tinyBytes.every, data, seed: 0, folder });
  let next = await running.next();
  while (!next.done) next = await running.next();
  const { config, state, history } = next.value;
  const model = join(folder, 'model');
  await writeHuggingFaceFolder(model, { config, parameters: state.parameters, files: data.tokenizerFiles });
  return { model, data, history, row: await data.validation!.sequence(0, 0) };
}

it('tiny-bytes reads UTF-8 bytes after BOS: 258 tokens, no merges, sequences that spell the text', async () => {
  const { model, data, history, row } = await trained();
  const json = JSON.parse(data.tokenizerFiles['tokenizer.json']!);
  expect([data.V, json.model.merges]).toEqual([258, []]);
  expect(data.sources.at(-1)!.name).toBe('bytes, 258 tokens');
  expect(Math.abs(history.points[0]!.loss - Math.log(258))).toBeLessThan(0.1);

  const tokenizer = await loadTokenizer(model);
  expect(tokenizer).toMatchObject({ vocabularySize: 258, bosId: 0, eosId: 1, addsBos: true });
  for (const text of strings) {
    const ids = tokenizer.encode(text, { specialTokens: false });
    expect(ids.length).toBe(new TextEncoder().encode(text).length);
    expect(tokenizer.decode(ids)).toBe(text);
  }
  expect(row[0]).toBe(0);
  const cut = DEFAULT_TEXT.indexOf('\n\n', Math.floor(0.9 * DEFAULT_TEXT.length));
  expect(
    DEFAULT_TEXT.slice(cut)
      .trimStart()
      .startsWith(tokenizer.decode([...row.slice(1)])),
  ).toBe(true);
});

const program = `
import json, sys, torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, strings = sys.argv[1], json.loads(sys.argv[2])
ours, auto = Tokenizer.from_file(folder + '/tokenizer.json'), AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder)
ids = [[ours.encode(s).ids, auto(s)['input_ids'], ours.decode(ours.encode(s).ids)] for s in strings]
print(json.dumps({'ids': ids, 'logits': model(torch.tensor([ids[0][1]])).logits.flatten().tolist(), 'size': len(auto)}))
`;

it.skipIf(!existsSync(python))(
  "tiny-bytes is read by Python's tokenizers and transformers, with our logits (needs Python with torch and transformers, SINKLAB_PYTHON)",
  async () => {
    const { model } = await trained();
    const { stdout } = await promisify(execFile)(python, ['-c', program, model, JSON.stringify(strings)], {
      maxBuffer: 2 ** 24,
    });
    const found = JSON.parse(stdout.trim().split('\n').pop()!);
    const tokenizer = await loadTokenizer(model);
    expect(found.size).toBe(258);
    // `encode` leaves BOS to the caller, both of Python's put it first.
    const ids = strings.map((text) => [0, ...tokenizer.encode(text)]);
    expect(found.ids).toEqual(strings.map((text, i) => [ids[i], ids[i], text]));
    await using own = await load(model, { threads: 1 });
    const { logits } = await run(own, { ids: [ids[0]!] });
    expect(furthest(logits!.data as Float32Array, found.logits)).toBeLessThan(1e-5);
  },
  60_000,
);
