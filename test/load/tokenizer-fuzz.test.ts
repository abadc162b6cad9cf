import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { SinklabError } from '../../src/error.ts';
import { renderChat } from '../../src/load/chat-template.ts';
import { createTokenizer } from '../../src/load/tokenizer.ts';
import { bundled } from '../fixtures.ts';
import { mutateValue } from './mutate.ts';

const ROUNDS = Number(process.env.SINKLAB_FUZZ_ROUNDS ?? 400);

/** Repeatable numbers in [0, 1). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

it(`a tokenizer.json with random changes works or is refused in plain words, ${ROUNDS} times`, () => {
  const text = readFileSync(join(bundled('tokenizers/folder'), 'tokenizer.json'), 'utf8');
  const config = readFileSync(join(bundled('tokenizers/folder'), 'tokenizer_config.json'), 'utf8');
  const random = numbers(1);
  let refused = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const files = { tokenizer: JSON.parse(text), config: JSON.parse(config) };
    for (let times = 1 + Math.floor(random() * 3); times > 0; times--)
      mutateValue(random() < 0.9 ? files.tokenizer : files.config, random);
    try {
      const tokenizer = createTokenizer(files);
      const ids = tokenizer.encode('Hello <|im_start|> 123\n\u{1f600} é');
      expect(ids.every((id) => Number.isInteger(id) && id >= 0 && id < tokenizer.vocabularySize)).toBe(true);
      expect(typeof tokenizer.decode(ids)).toBe('string');
      for (const id of ids) expect(typeof tokenizer.token(id)).toBe('string');
    } catch (error) {
      if (!(error instanceof SinklabError)) throw error;
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(0);
  expect(refused).toBeLessThan(ROUNDS);
});

it(`a chat template with random changes works or is refused in plain words, ${ROUNDS} times`, () => {
  const { chat_template: template } = JSON.parse(
    readFileSync(join(bundled('tokenizers/folder'), 'tokenizer_config.json'), 'utf8'),
  );
  const parts = [
    '{% for i in range(9) %}',
    '{% endfor %}',
    '{{',
    '}}',
    ' | ',
    'tojson',
    'm.x',
    '[0]',
    "'",
    '(',
    ')',
    ' ~ ',
    '{% set a = messages %}',
    '-',
    '*',
    '999999999',
  ];
  const random = numbers(2);
  let refused = 0;
  for (let round = 0; round < ROUNDS; round++) {
    let source: string = template;
    for (let times = 1 + Math.floor(random() * 3); times > 0; times--) {
      const at = Math.floor(random() * source.length);
      source =
        source.slice(0, at) + parts[Math.floor(random() * parts.length)] + source.slice(at + Math.floor(random() * 4));
    }
    try {
      expect(typeof renderChat(source, [{ role: 'user', content: 'Hi' }]).text).toBe('string');
    } catch (error) {
      if (!(error instanceof SinklabError)) throw error;
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(0);
  expect(refused).toBeLessThan(ROUNDS);
});
