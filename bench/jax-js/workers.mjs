/**
 * The browser's Worker on top of Node's threads, as far as jax-js uses it: without one its WebAssembly backend computes on a single thread.
 * Import it before jax-js.
 */
import { resolveObjectURL } from 'node:buffer';
import { Worker } from 'node:worker_threads';

const prelude = `
const { parentPort } = require('node:worker_threads');
globalThis.self = globalThis;
globalThis.postMessage = (message) => parentPort.postMessage(message);
parentPort.on('message', (data) => self.onmessage({ data }));
`;

class BrowserWorker {
  onmessage = () => {};
  onerror = () => {};

  constructor(url) {
    this.started = resolveObjectURL(url)
      .text()
      .then((source) => {
        const worker = new Worker(prelude + source, { eval: true });
        worker.on('message', (data) => this.onmessage({ data }));
        worker.on('error', (error) => this.onerror(error));
        return worker;
      });
  }

  postMessage(message) {
    this.started.then((worker) => worker.postMessage(message));
  }
}

/** So many threads compute; the main one only waits for them. */
export function useThreads(count) {
  Object.defineProperty(globalThis, 'navigator', { value: { hardwareConcurrency: count }, configurable: true });
  globalThis.Worker = BrowserWorker;
}
