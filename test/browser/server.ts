/**
 * What the browser tests load: one page, its bundle and tfjs's wasm files, from 127.0.0.1 and
 * without cross-origin isolation.
 */
import { createReadStream } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const html =
  '<!doctype html><meta charset="utf-8"><title>tfjs-warmup</title><link rel="icon" href="data:,"><script src="/page.js"></script>';

/** The same page under headers that a test needs. */
const pages: Record<string, Record<string, string>> = {
  '/': {},
  '/no-wasm': { 'content-security-policy': "default-src 'self'; img-src data:" },
};

const wasmFolder = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'));

async function bundle(): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('page.ts', import.meta.url))],
    bundle: true,
    write: false,
    platform: 'browser',
    format: 'iife',
    target: 'es2022',
    logLevel: 'error',
  });
  return outputFiles[0].contents;
}

export interface Server {
  readonly origin: string;
  close(): void;
}

export async function serve(): Promise<Server> {
  const script = await bundle();
  const server = createServer(({ url = '/' }, response) => {
    const wasm = /^\/wasm\/([\w-]+\.wasm)$/.exec(url)?.[1];
    if (pages[url])
      response.writeHead(200, { 'content-type': 'text/html', ...pages[url] }).end(html);
    else if (url === '/page.js')
      response.writeHead(200, { 'content-type': 'text/javascript' }).end(script);
    else if (wasm)
      createReadStream(join(wasmFolder, wasm))
        .once('error', () => response.destroy())
        .pipe(response.setHeader('content-type', 'application/wasm'));
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
