import { describe, expect, it } from 'vitest';
import { chatPrompt } from '../../src/load/chat-prompt.ts';
import { parseMessages, renderChat } from '../../src/load/chat-template.ts';
import { describeTokens, templateSpans } from '../../src/load/token-roles.ts';
import { loadTokenizer } from '../../src/load/tokenizer-node.ts';
import { bundled } from '../fixtures.ts';

const chatml =
  '{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}';
const messages = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: ' Hi there ' },
];

describe('chat messages', () => {
  it('are written by the template, and the places of their contents are known', () => {
    const { text, contents } = renderChat(chatml, messages);
    expect(text).toBe(
      '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi there<|im_end|>\n<|im_start|>assistant\n',
    );
    expect(contents?.map(([start, end]) => text.slice(start, end))).toEqual(['Be brief.', 'Hi there']);
    expect(renderChat(chatml, messages, { addGenerationPrompt: false }).text).toMatch(/Hi there<\|im_end\|>\n$/);
  });

  it('whose contents the template rewrites have no known places', () => {
    const { text, contents } = renderChat('{{ messages[0].content | upper }}', messages);
    expect(text).toBe('BE BRIEF.');
    expect(contents).toBeUndefined();
  });

  it('give template, special and text roles to tokens', async () => {
    const tokenizer = await loadTokenizer(bundled('tokenizers/folder'));
    const { text, contents } = renderChat(tokenizer.chatTemplate, messages);
    const ids = tokenizer.encode(text);
    const spans = templateSpans(ids, tokenizer, text, contents!)!;
    const tokens = describeTokens(ids, tokenizer, { templateSpans: spans });
    const inText = tokens.filter((token) => token.role === 'text').map((token) => token.text);
    expect(inText.join('')).toBe('Be brief.Hi there');
    expect(tokens[0]).toMatchObject({ role: 'first', text: '<|im_start|>' });
    expect(tokens.at(-1)).toMatchObject({ role: 'template', text: '\n', class: 'newline' });
    expect(describeTokens(ids, tokenizer)[ids.indexOf(2)]).toMatchObject({ role: 'special', text: '<|im_end|>' });
    expect(templateSpans(ids.slice(1), tokenizer, text, contents!)).toBeUndefined();
  });

  it('become ids with one BOS, written by the template or put in front', async () => {
    const tokenizer = await loadTokenizer(bundled('tokenizers/folder'));
    const { ids, bosAdded, templateSpans: spans } = chatPrompt(tokenizer, messages);
    expect(bosAdded).toBe(true);
    expect(ids).toEqual([0, ...tokenizer.encode(renderChat(chatml, messages).text)]);
    const roles = describeTokens(ids, tokenizer, { templateSpans: spans! });
    expect(
      roles
        .filter(({ role }) => role === 'text')
        .map((token) => token.text)
        .join(''),
    ).toBe('Be brief.Hi there');
    const own = { ...tokenizer, chatTemplate: `{{ bos_token }}${chatml}` };
    expect(chatPrompt(own, messages)).toMatchObject({ ids, bosAdded: false, templateSpans: spans });
  });

  it('without a template, and refused by one, end with a message', () => {
    expect(() => renderChat(undefined, messages)).toThrow(
      'messages: this model has no chat template; give plain text with --text or --file',
    );
    expect(() => renderChat("{{ raise_exception('roles must alternate') }}", messages)).toThrow(
      'chat template: cannot be applied to these messages (roles must alternate); check their roles and order',
    );
    expect(() => renderChat('{% if %}', messages)).toThrow('chat template: cannot be applied to these messages');
  });

  it('are checked field by field', () => {
    expect(parseMessages('[{"role":"user","content":"hi"}]')).toEqual([{ role: 'user', content: 'hi' }]);
    expect(() => parseMessages('[{')).toThrow('messages: not JSON');
    expect(() => parseMessages([])).toThrow('messages: Too small');
    expect(() => parseMessages([{ role: 'user' }])).toThrow('messages, 0.content: Invalid input: expected string');
    expect(() => parseMessages([{ role: 'user', content: 'x', tool_calls: [] }])).toThrow(
      'messages, 0: Unrecognized key: "tool_calls"',
    );
  });
});

describe('a hostile template ends with an error', () => {
  const nested = (body: string, depth: number) =>
    `${Array.from({ length: depth }, (_, index) => `{% for a${index} in range(1000) %}`).join('')}${body}${'{% endfor %}'.repeat(depth)}`;

  it.each([
    ['nested loops', nested('', 6), /does too much work|not finished after/],
    ['a huge range', '{% for i in range(1000000000) %}x{% endfor %}', 'range(0, 1000000000, 1) is over 100000 entries'],
    ['an endless range', '{% for i in range(1, 2, 0) %}x{% endfor %}', 'is over 100000 entries'],
    [
      'a doubled text',
      "{% set ns = namespace(s='ab') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
      'writes over 4000000 characters',
    ],
    [
      'a doubled list',
      '{% set ns = namespace(l=[1]) %}{% for i in range(100) %}{% set ns.l = ns.l + ns.l %}{% endfor %}',
      'makes a list of over 100000 entries',
    ],
    [
      'a macro that calls itself',
      '{% set ns = namespace() %}{% macro m(ns) %}{{ ns.f(ns) }}{% endmacro %}{% set ns.f = m %}{{ m(ns) }}',
      /Maximum call stack size exceeded|too much work/,
    ],
    ['deep brackets', `{{ ${'('.repeat(50_000)}1${')'.repeat(50_000)} }}`, 'chat template: '],
    ['a huge source', 'x'.repeat(1_000_001), 'chat template: 1000001 characters, at most 1000000 are read'],
    [
      'doubled nesting written as JSON',
      '{% set ns = namespace(l=[1]) %}{% for i in range(40) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l | tojson }}',
      'chat template: ',
    ],
  ])('%s', (_, template, message) => {
    const before = Date.now();
    expect(() => renderChat(template, messages)).toThrow(message);
    expect(Date.now() - before).toBeLessThan(10_000);
  });

  it('and reaches nothing outside', () => {
    expect(
      renderChat('{{ messages.constructor }}|{{ process }}|{{ messages[0].__proto__ }}', messages).text,
    ).not.toMatch(/function|object/);
  });
});
