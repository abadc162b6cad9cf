import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { interruption } from '../../src/cli/interruption.ts';
import { runCommandLine } from '../../src/cli/program.ts';
import { chatTurns } from '../../src/load/chat-turns.ts';
import { loadTokenizer } from '../../src/load/tokenizer-node.ts';
import { paint } from '../../src/report/terminal/paint.ts';
import { copied } from '../models/support.ts';
import { type Outcome, sinklab } from './terminal.ts';

const books = fileURLToPath(new URL('../../models/books-6m', import.meta.url));
const appending =
  "{% for m in messages %}<|bos|>{{ m['role'] }}: {{ m['content'] }}<|eos|>{% endfor %}{% if add_generation_prompt %}<|bos|>assistant:{% endif %}";
/** Writes answers before the last message in another way than when they were given. */
const rewriting =
  "{% for m in messages %}<|bos|>{{ m['role'] }}: {{ m['content'] | upper if m['role'] == 'assistant' else m['content'] }}<|eos|>{% endfor %}{% if add_generation_prompt %}<|bos|>assistant:{% endif %}";

async function chatModel(template = appending): Promise<string> {
  const folder = await copied(books);
  await writeFile(join(folder, 'chat_template.jinja'), template);
  return folder;
}

interface Heard extends Outcome {
  /** What came of both, in order. */
  readonly all: string;
}

/** A conversation whose lines come from a pipe; `heard` is told all that was written so far. */
async function chat(
  model: string,
  input: Readable,
  flags: readonly string[] = [],
  heard: (all: string) => void = () => {},
): Promise<Heard> {
  let [out, err, all] = ['', '', ''];
  const write = (text: string) => {
    all += text;
    heard(all);
  };
  const terminal = {
    out: (text: string) => {
      out += text;
      write(text);
    },
    err: (text: string) => {
      err += text;
      write(text);
    },
    paint: paint({ width: 100, color: false }),
    live: false,
    input,
  };
  const shared = ['--threads', '1', '--capacity', '64', '--max-tokens', '12', ...flags];
  const code = await runCommandLine(['chat', model, ...shared], terminal, new AbortController().signal);
  return { code, out, err, all };
}
const lines = (...said: string[]) => Readable.from(said.map((line) => `${line}\n`));

describe('sinklab chat', () => {
  it('answers every line of a pipe, remembers what the cache keeps, and forgets on /reset', async () => {
    const model = await chatModel();
    const said = lines('Hello', '/kept', 'And then?', '/kept', '', '/reset', '/kept', 'Hello', '/quit', 'unheard');
    const { code, out, err } = await chat(model, said, ['--system', 'Be brief.']);
    expect(code).toBe(0);
    const kept = [...err.matchAll(/^(\d+) of (\d+) tokens are kept: (.*)$/gm)].map(([, ...found]) => found);
    expect(kept).toHaveLength(2);
    const [first, second] = kept as [string[], string[]];
    expect(Number(second[1])).toBeGreaterThan(Number(first[1]));
    expect(first[2]).toBe(`0–${Number(first[1]) - 1}`);
    expect(err).toMatch(/^pinned \(\d+\): <\|bos\|>system: Be brief\.<\|eos\|>$/m);
    // The second turn is read as the template writes it, after the first, which is not read again.
    expect(err).toMatch(
      /^the rest: .*<\|bos\|>user: Hello<\|eos\|><\|bos\|>assistant:.*<\|eos\|><\|bos\|>user: And then\?<\|eos\|><\|bos\|>assistant:/m,
    );
    expect(err).toContain('the conversation begins anew\nnothing has been read\n');
    const answers = out.trimEnd().split('\n');
    expect(answers.length).toBeGreaterThanOrEqual(3);
    // Same seed, same place: the conversation that begins anew begins as the first did.
    const once = await chat(model, lines('Hello'), ['--system', 'Be brief.']);
    expect(out.startsWith(once.out) && out.endsWith(once.out)).toBe(true);
  });

  it('goes on beyond its capacity, with the system prompt kept', async () => {
    const said = lines(...Array.from({ length: 6 }, (_, i) => `What of the sea, for the ${i + 1}. time?`), '/kept');
    const { code, err } = await chat(await chatModel(), said, ['--system', 'Be brief.']);
    expect(code).toBe(0);
    expect(err).toMatch(/^64 of \d{3} tokens are kept: 0–\d+, \d+–\d+$/m);
    expect(err).toMatch(/^pinned \(\d+\): <\|bos\|>system: Be brief\.<\|eos\|>$/m);
  });

  it('helps, and says what it does not know; // begins a message', async () => {
    const { out, err } = await chat(await chatModel(), lines('/help', '/bogus now', '//etc is a folder', '/kept'));
    expect(err).toContain('/kept   what the cache still keeps');
    expect(err).toContain('there is no /bogus; /help says what there is\n');
    expect(err).toContain('the rest:  /etc is a folder<|eos|>');
    expect(out).not.toBe('');
  });

  it('Ctrl-C stops an answer, after which the conversation goes on; without an answer it is for the program', async () => {
    const input = new PassThrough();
    input.write('Tell me a story\n');
    let stopped = false;
    const { code, all } = await chat(
      await chatModel(),
      input,
      ['--max-tokens', '1000000', '--stop', 'never to be said'],
      (heard) => {
        if (!stopped && heard.length > 600) {
          stopped = true;
          expect(interruption.answer!()).toBe(true);
          input.write('/kept\n');
        }
        if (heard.endsWith('\n') && /^\d+ of \d+ tokens are kept/m.test(heard) && interruption.answer) {
          if (interruption.answer()) return;
          input.end('/quit\n');
        }
      },
    );
    expect(code).toBe(0);
    expect(all).toMatch(/\n\(stopped\)\n64 of \d+ tokens are kept/);
    expect(interruption.answer).toBeUndefined();
  });

  it('reads everything again, and says so, where the template rewrites earlier turns', async () => {
    const { code, err } = await chat(await chatModel(rewriting), lines('Hello', 'And then?', '/kept'), [
      '--temperature',
      '0',
      '--capacity',
      '128',
    ]);
    expect(code).toBe(0);
    expect(err).toContain('this chat template rewrites earlier turns, so that a new one cannot be appended');
    const [, answer] = /assistant:([^<]*)<\|eos\|><\|bos\|>user: And then\?/.exec(err)!;
    expect(answer).toBe(answer!.toUpperCase());
  });

  it('needs a chat template and a tokenizer', async () => {
    const { code, err } = await sinklab('chat', books);
    expect({ code, last: err.trimEnd().split('\n').at(-1) }).toEqual({
      code: 1,
      last: 'sinklab: messages: this model has no chat template; give plain text with --text or --file, or use an instruction-tuned model',
    });
  });
});

describe('the turns of a chat template', () => {
  it('put together are what the template writes at once', async () => {
    const tokenizer = { ...(await loadTokenizer(books)), chatTemplate: appending };
    const turns = chatTurns(tokenizer, 'Be brief.');
    expect(turns).toMatchObject({ appends: true, system: '<|bos|>system: Be brief.<|eos|>' });
    const said = [
      { user: 'Hello', answer: 'Good day!' },
      { user: 'Why?', answer: 'Because.' },
    ] as const;
    const pieces = [turns.opening('Hello'), ' Good day!', turns.following('Why?'), ' Because.', turns.following('So?')];
    expect(pieces.join('')).toBe(turns.whole(said, 'So?'));
    expect(turns.following('Why?')).toBe('<|eos|><|bos|>user: Why?<|eos|><|bos|>assistant:');
  });

  it('are found to be rewritten, or without a system prompt of their own', async () => {
    const tokenizer = await loadTokenizer(books);
    expect(chatTurns({ ...tokenizer, chatTemplate: rewriting }).appends).toBe(false);
    const asUser =
      "{% for m in messages %}{% if loop.index0 == 0 and m['role'] != 'user' %}{% else %}{{ m['content'] }}<|eos|>{% endif %}{% endfor %}";
    expect(chatTurns({ ...tokenizer, chatTemplate: asUser }, 'Be brief.').system).toBeUndefined();
  });
});
