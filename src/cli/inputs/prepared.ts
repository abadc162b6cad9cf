import { DEFAULT_TEXT, DEFAULT_TEXT_SOURCE } from '../../load/default-text.ts';
import { readText } from '../../load/prompts-node.ts';
import type { ScanResult, TokenInfo } from '../../measure/result.ts';
import type { ScanInput } from '../../measure/scan.ts';
import type { OpenedModel } from '../open.ts';

export type BosMode = 'auto' | 'add' | 'none';

export interface ScanInputOptions {
  readonly text?: string;
  readonly file?: string;
  readonly ids?: string;
  readonly chat?: string;
  readonly corpus?: string;
  /** Second text, for encoders that read pairs. */
  readonly pair?: string;
  /** Pictures; the first is looked at, all are measured. */
  readonly image?: readonly string[];
  readonly audio?: string;
  readonly bos: BosMode;
  /** Longest page in tokens. */
  readonly tokens: number;
  /** Texts of the protocol and tokens of each. */
  readonly texts: number;
  readonly textTokens: number;
}

export interface PreparedInput extends ScanInput {
  readonly told: ScanResult['input'];
  readonly notes: string[];
}

/** What inputs are prepared with, of an opened model. */
export type Opened = Pick<OpenedModel, 'tokenizer' | 'resolved'>;

/** The text of `--text`, `--file` or `--corpus`, or the one that ships. */
export async function givenText({ text, file, corpus }: ScanInputOptions): Promise<{ source: string; text: string }> {
  if (text !== undefined) return { source: '--text', text };
  const path = file ?? corpus;
  if (path === undefined) return { source: DEFAULT_TEXT_SOURCE, text: DEFAULT_TEXT };
  return { source: path, text: await readText(path, { option: file === undefined ? '--corpus' : '--file' }) };
}

/** What is told of an input that has no token ids. */
export const withoutIds = (source: string, page: TokenInfo[]): ScanResult['input'] => ({
  ...{ bos: 'none', bosAdded: false, firstIds: [], source, page },
});
