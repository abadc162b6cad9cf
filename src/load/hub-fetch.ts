import { LoadError } from '../error.ts';

const MAXIMUM_REDIRECTS = 10;

export interface HubFetchOptions {
  /** The hub's address. */
  readonly endpoint: string;
  readonly token?: string;
  readonly signal?: AbortSignal;
  /** Milliseconds to the head of each reply; default 10000. */
  readonly timeout?: number;
}

/**
 * A `fetch` for the hub. Redirects are followed here, so that the token goes to the endpoint's own origin only and to nothing
 * behind a redirect that has left it. https is never left for http.
 *
 * @throws LoadError without the token or any query in its message: no connection, no reply in time, a bad redirect.
 */
export function hubFetch(options: HubFetchOptions): typeof fetch {
  const { endpoint, token, signal, timeout = 10_000 } = options;
  const home = new URL(endpoint).origin;
  return async (input, init) => {
    let url = new URL(input instanceof Request ? input.url : input);
    const headers = new Headers(init?.headers);
    headers.delete('authorization');
    let trusted = true;
    for (let hop = 0; hop <= MAXIMUM_REDIRECTS; hop++) {
      trusted &&= url.origin === home;
      if (trusted && token !== undefined) headers.set('authorization', `Bearer ${token}`);
      else headers.delete('authorization');
      const reply = await request(
        url,
        { ...init, headers, redirect: 'manual' },
        signal ?? init?.signal ?? undefined,
        timeout,
      );
      const location = [301, 302, 303, 307, 308].includes(reply.status) ? reply.headers.get('location') : null;
      if (location === null) return reply;
      await reply.body?.cancel();
      const next = URL.canParse(location, url) ? new URL(location, url) : undefined;
      if (
        next === undefined ||
        !/^https?:$/.test(next.protocol) ||
        (url.protocol === 'https:' && next.protocol === 'http:')
      ) {
        throw new LoadError(`hub: ${url.origin} redirects to an address that is not followed; check HF_ENDPOINT`);
      }
      url = next;
    }
    throw new LoadError(`hub: ${home} redirects more than ${MAXIMUM_REDIRECTS} times; check HF_ENDPOINT`);
  };
}

async function request(
  url: URL,
  init: RequestInit,
  signal: AbortSignal | undefined,
  timeout: number,
): Promise<Response> {
  const stop = new AbortController();
  const abort = () => stop.abort(signal?.reason);
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort, { once: true });
  const timer = setTimeout(() => stop.abort(new DOMException('no reply', 'TimeoutError')), timeout);
  try {
    return await fetch(url, { ...init, signal: stop.signal });
  } catch (error) {
    signal?.throwIfAborted();
    const { code } = ((error as Error).cause ?? {}) as { code?: unknown };
    const reason = stop.signal.aborted
      ? `no reply in ${timeout / 1000} s`
      : typeof code === 'string'
        ? code
        : 'no connection';
    throw new LoadError(
      `hub: ${url.origin} cannot be reached (${reason}); check the network, or name a local folder or .gguf file`,
    );
  } finally {
    // The signal stays connected: it ends the body's stream too.
    clearTimeout(timer);
  }
}
