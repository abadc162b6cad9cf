import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export const COMMIT = '0123456789abcdef0123456789abcdef01234567';

export interface FakeFile {
  content: Buffer;
  /** Stored as LFS, with a SHA-256. */
  lfs?: boolean;
  /** What the listing says, where it is to differ from the truth. */
  listed?: { path?: string; size?: unknown; oid?: unknown };
  /** Bytes after which the next reply is cut; used up one by one. */
  cuts?: number[];
  /** Milliseconds between the last byte and the cut; default 30. */
  hold?: number;
  /** Sends a redirect there instead of the content. */
  redirect?: string;
  /** Announces this length and sends the whole content. */
  contentLength?: number;
}

/** A hub on 127.0.0.1 with the few routes that a download needs; it writes down what it was asked. */
export async function fakeHub(model: string, files: Record<string, FakeFile>) {
  const requests: { path: string; authorization?: string; range?: string }[] = [];
  const state = { commit: COMMIT as unknown, status: 200, files };
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const path = request.url!.split('?')[0]!;
    const { authorization, range } = request.headers;
    requests.push({
      path,
      ...(authorization !== undefined && { authorization }),
      ...(range !== undefined && { range }),
    });
    const json = (value: unknown) =>
      response.writeHead(state.status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    if (state.status !== 200) return json({ error: `refused ${authorization}` });
    if (path.startsWith(`/api/models/${model}/tree/`)) {
      return json(
        Object.entries(files).map(([name, { content, lfs, listed }]) => {
          const sha256 = createHash('sha256').update(content).digest('hex');
          const git = createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
          const size = listed?.size ?? content.length;
          const entry = { type: 'file', path: listed?.path ?? name, size, oid: lfs ? git : (listed?.oid ?? git) };
          return lfs ? { ...entry, lfs: { oid: listed?.oid ?? sha256, size, pointerSize: 130 } } : entry;
        }),
      );
    }
    if (path.startsWith(`/api/models/${model}`)) return json({ _id: '1', id: model, sha: state.commit });
    const file = files[path.split('/').at(-1)!];
    if (file === undefined || !path.includes('/resolve/')) return response.writeHead(404).end();
    if (file.redirect !== undefined) return response.writeHead(302, { location: file.redirect }).end();
    const start = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
    const rest = file.content.subarray(start);
    response.writeHead(range === undefined ? 200 : 206, {
      'content-length': file.contentLength ?? rest.length,
      ...(range !== undefined && {
        'content-range': `bytes ${start}-${file.content.length - 1}/${file.content.length}`,
      }),
    });
    const cut = file.cuts?.shift();
    if (cut === undefined) return response.end(rest);
    response.write(rest.subarray(0, cut), () => setTimeout(() => response.destroy(), file.hold ?? 30).unref());
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    commit: COMMIT,
    requests,
    state,
    close: () => {
      server.closeAllConnections();
      return new Promise((done) => server.close(done));
    },
  };
}
