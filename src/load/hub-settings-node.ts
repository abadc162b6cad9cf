import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { InputError } from '../error.ts';

/** Where the hub and its cache are, from the environment variables that the Python client reads. */
export interface HubSettings {
  /** `HF_ENDPOINT`, without a slash at its end; default https://huggingface.co. */
  readonly endpoint: string;
  /** `HF_HUB_CACHE`, else `HF_HOME`/hub, else ~/.cache/huggingface/hub. */
  readonly cache: string;
  /** `HF_TOKEN`, else the file `HF_TOKEN_PATH`, else `HF_HOME`/token. Goes to the endpoint's own origin only. */
  readonly token?: string;
  /** `HF_HUB_OFFLINE` is 1, ON, YES or TRUE. */
  readonly offline: boolean;
}

/** @throws InputError when `HF_ENDPOINT` is no http(s) address or the token has characters that no token has. */
export async function hubSettings(env: NodeJS.ProcessEnv = process.env): Promise<HubSettings> {
  const set = (name: string): string | undefined => (env[name] === '' ? undefined : env[name]);
  const endpoint = (set('HF_ENDPOINT') ?? 'https://huggingface.co').replace(/\/+$/, '');
  if (!/^https?:$/.test(URL.canParse(endpoint) ? new URL(endpoint).protocol : '')) {
    throw new InputError(
      `HF_ENDPOINT: expected an address such as https://huggingface.co, got ${JSON.stringify(endpoint.slice(0, 80))}`,
    );
  }
  const home = expand(set('HF_HOME') ?? join(set('XDG_CACHE_HOME') ?? join(homedir(), '.cache'), 'huggingface'));
  const cache = expand(set('HF_HUB_CACHE') ?? set('HUGGINGFACE_HUB_CACHE') ?? join(home, 'hub'));
  const file = expand(set('HF_TOKEN_PATH') ?? join(home, 'token'));
  const token = (
    set('HF_TOKEN') ??
    set('HUGGING_FACE_HUB_TOKEN') ??
    (await readFile(file, 'utf8').catch(() => ''))
  ).trim();
  if (!/^[\x21-\x7e]{0,1000}$/.test(token)) {
    throw new InputError('HF_TOKEN: the token has spaces or other characters that no token has; copy it again');
  }
  const offline = ['1', 'ON', 'YES', 'TRUE'].includes((set('HF_HUB_OFFLINE') ?? '').toUpperCase());
  return { endpoint, cache, offline, ...(token !== '' && { token }) };
}

function expand(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path;
}
