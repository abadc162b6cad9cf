import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize, sep } from 'node:path';

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

/** Headers that make a page cross-origin isolated, so that WebAssembly may use threads. */
const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

export interface StaticServer extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
}

/** Serves folders on the loopback interface: the first part of a path chooses the folder. */
export async function serve(
  folders: Readonly<Record<string, string>>,
  options: { readonly isolated: boolean },
): Promise<StaticServer> {
  const headers = options.isolated ? isolation : {};
  const server = createServer(async (request, response) => {
    const [, mount = '', ...rest] = new URL(request.url ?? '/', 'http://localhost').pathname
      .split('/')
      .map(decodeURIComponent);
    const folder = folders[mount];
    const file = folder === undefined ? '' : join(folder, normalize(rest.join('/')));
    const found =
      file.startsWith(`${folder}${sep}`) &&
      (await stat(file).then(
        (entry) => entry.isFile(),
        () => false,
      ));
    if (!found) {
      response.writeHead(404, headers).end();
      return;
    }
    response.writeHead(200, {
      ...headers,
      'Content-Type': types[extname(file)] ?? 'application/octet-stream',
      'Cache-Control': 'no-store',
    });
    createReadStream(file).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
