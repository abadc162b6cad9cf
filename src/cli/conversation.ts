import { generate } from '../cache/generate.ts';
import type { SamplerOptions } from '../cache/sampler.ts';
import type { Stream } from '../cache/stream.ts';
import { type ChatTurns, chatTurns, type Exchange } from '../load/chat-turns.ts';
import { type Tokenizer, withBos } from '../load/tokenizer.ts';

export interface ConversationOptions {
  readonly system?: string | undefined;
  readonly sampler: SamplerOptions;
  /** Longest answer in tokens. */
  readonly maxTokens: number;
  readonly stop?: readonly string[] | undefined;
}

/** A conversation on a stream: each message is read once, as the chat template writes it, and nothing that was read is read again. */
export class Conversation {
  readonly turns: ChatTurns;
  /** Ids of the tokens that the cache still keeps, by index in the text. */
  private readonly ids = new Map<number, number>();
  /** How many of them there may be before those that were evicted are dropped. */
  private room = 4096;
  /** Everything that was said, where the template makes it needful to read it again. */
  private exchanges: Exchange[] = [];
  private begun = false;
  private readonly stopIds: readonly number[];

  constructor(
    readonly stream: Stream,
    private readonly tokenizer: Tokenizer,
    private readonly options: ConversationOptions,
  ) {
    this.turns = chatTurns(tokenizer, options.system);
    // What the template writes after an answer ends one, whether or not it is EOS.
    const [end] = this.turns.appends ? tokenizer.encode(this.turns.following('One?')) : [];
    this.stopIds = end !== undefined && tokenizer.specialIds.has(end) ? [end] : [];
  }

  /**
   * Reads a message and gives the pieces of the answer as they come. When the signal aborts, the answer ends there and the conversation can
   * go on.
   */
  async *say(message: string, signal: AbortSignal, interrupted: AbortSignal): AsyncGenerator<string, void> {
    await this.read(this.textOf(message), signal);
    this.begun = true;
    const { sampler, maxTokens, stop } = this.options;
    const { stream, stopIds } = this;
    const before = [[...this.ids.values()].slice(-1024)];
    let answer = '';
    try {
      const options = { sampler, maxTokens, stop, stopIds, before, signal: AbortSignal.any([signal, interrupted]) };
      for await (const { id, text, ended } of generate(stream, options)) {
        if (ended !== 'stop id') this.remember([id]);
        answer += text;
        if (text !== '') yield text;
      }
    } catch (error) {
      if (!interrupted.aborted || signal.aborted) throw error;
    } finally {
      if (!this.turns.appends) this.exchanges.push({ user: message, answer });
      this.forget();
    }
  }

  /** Forgets everything that was said. */
  reset(): void {
    this.stream.reset();
    this.ids.clear();
    this.exchanges = [];
    this.begun = false;
  }

  /** Indices in the text of what the cache keeps, and its text: what is pinned, and the rest. */
  get kept(): {
    readonly indices: readonly number[];
    readonly pinned: string;
    readonly rest: string;
    readonly pins: number;
  } {
    const indices = this.stream.kept();
    const pins = Math.min(this.stream.cache.tables[0]!.layout.pinned, indices.length);
    const text = (part: readonly number[]) => this.tokenizer.decode(part.map((index) => this.ids.get(index)!));
    return { indices, pins, pinned: text(indices.slice(0, pins)), rest: text(indices.slice(pins)) };
  }

  private textOf(message: string): string {
    if (!this.begun) return this.turns.opening(message);
    if (this.turns.appends) return this.turns.following(message);
    const text = this.turns.whole(this.exchanges, message);
    this.stream.reset();
    this.ids.clear();
    return text;
  }

  private async read(text: string, signal: AbortSignal): Promise<void> {
    const encoded = this.tokenizer.encode(text);
    const ids = this.stream.lengths[0] === 0 ? withBos(this.tokenizer, encoded, 'auto').ids : encoded;
    await this.stream.read(ids, { signal });
    this.remember(ids);
  }

  /** Of the tokens read last. */
  private remember(ids: readonly number[]): void {
    const start = this.stream.lengths[0]! - ids.length;
    ids.forEach((id, i) => {
      this.ids.set(start + i, id);
    });
    if (this.ids.size > this.room) this.forget();
  }

  /** What the cache no longer keeps. */
  private forget(): void {
    const kept = new Set(this.stream.kept());
    for (const index of this.ids.keys()) if (!kept.has(index)) this.ids.delete(index);
    this.room = 2 * this.ids.size + 4096;
  }
}
