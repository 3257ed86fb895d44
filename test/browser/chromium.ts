/**
 * A real Chromium, from npm packages alone: the one of @sparticuz/chromium, with the libraries and
 * the software Vulkan driver that come with it. CHROMIUM_PATH names another one to use instead.
 */
import { join } from 'node:path';
import { chromium, type Browser } from 'playwright-core';
import { unpack } from '../webgpu/support/unpack';

async function find(): Promise<{ executablePath: string; libraries?: string }> {
  if (process.env.CHROMIUM_PATH) return { executablePath: process.env.CHROMIUM_PATH };
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error(
      `the Chromium on npm is for Linux on x64, this is ${process.platform} on ${process.arch}; CHROMIUM_PATH names another one`,
    );
  const folder = await unpack('chromium', ['chromium.br', 'swiftshader.tar.br', 'al2023.tar.br']);
  return {
    executablePath: join(folder, 'chromium'),
    libraries: `${join(folder, 'lib')}:${folder}`,
  };
}

/** The software adapter is asked for by name, so that every machine runs the same one. */
const args = [
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--use-gl=angle',
  '--use-angle=swiftshader',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export async function launchChromium(): Promise<Browser> {
  try {
    const { executablePath, libraries } = await find();
    const env = libraries ? { ...process.env, LD_LIBRARY_PATH: libraries } : process.env;
    return await chromium.launch({
      executablePath,
      args,
      env: env as Record<string, string>,
      headless: true,
      timeout: 60_000,
    });
  } catch (error) {
    // Playwright appends the browser's whole log: of that, only the line of a missing library says
    // more than the first one.
    const lines = (error as Error).message.split('\n');
    const reason =
      lines.find((line) => line.includes('error while loading shared libraries')) ?? lines[0];
    throw new Error(
      `Chromium does not start (TFJS_WARMUP_SKIP_WEBGPU=1 skips its tests): ${reason}`,
      { cause: error },
    );
  }
}
