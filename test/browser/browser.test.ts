/**
 * The library in a real browser: tfjs's backends as a page gets them, and what a page's security
 * policy forbids.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import type { Browser, Page } from 'playwright-core';
import { skipWebGPU } from '../webgpu/support/vitest';
import { launchChromium } from './chromium';
import type { Checks } from './page';
import { serve, type Server } from './server';
import { train, type Trained } from './steps';

let browser: Browser;
let server: Server;
let page: Page;
let errors: string[] = [];
let warnings: string[] = [];

async function open(path: string): Promise<void> {
  page = await browser.newPage();
  page.on('pageerror', ({ message }) => errors.push(message));
  page.on('crash', () => errors.push('the page crashed'));
  page.on('console', (message) => {
    if (message.type() === 'warning') warnings.push(message.text());
  });
  await page.goto(server.origin + path);
}

/** Runs a check of page.ts in the open page. */
function check<K extends keyof Checks>(
  name: K,
  ...args: Parameters<Checks[K]>
): Promise<Awaited<ReturnType<Checks[K]>>> {
  return page.evaluate(
    ([name, args]) => {
      const { run } = globalThis as unknown as {
        run: (name: string, ...args: unknown[]) => unknown;
      };
      return run(name, ...args);
    },
    [name, args] as const,
  ) as Promise<Awaited<ReturnType<Checks[K]>>>;
}

function largestDifference(a: Trained, b: Trained): number {
  const all = ({ losses, weights }: Trained): number[] => [...losses, ...weights.flat()];
  const others = all(b);
  return Math.max(...all(a).map((value, i) => Math.abs(value - others[i])));
}

describe.skipIf(skipWebGPU)('in chromium', () => {
  beforeAll(async () => {
    [browser, server] = await Promise.all([launchChromium(), serve()]);
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    server?.close();
  });
  afterEach(async () => {
    await page?.close();
    const found = [errors, (errors = [])][0];
    warnings = [];
    if (found.length > 0) throw new Error(`uncaught in the page: ${found.join('\n')}`);
  });

  it('has WebGPU and no cross-origin isolation', async () => {
    await open('/');
    expect(await check('environment')).toEqual({ crossOriginIsolated: false, webgpu: true });
  });

  it.each(['wasm', 'cpu'] as const)(
    'trains on the %s backend with fused kernels, as Node does',
    async (backend) => {
      await open('/');
      const inPage = await check('train', backend);
      expect(await tf.setBackend(backend)).toBe(true);
      const inNode = await train();
      expect(inPage).toMatchObject({ backend, executor: 'wasm' });
      expect(inNode).toMatchObject({ backend, executor: 'wasm' });
      expect(inPage.losses[4]).toBeLessThan(inPage.losses[0]);
      expect(largestDifference(inPage, inNode)).toBeLessThanOrEqual(1e-6);
      expect(warnings).toEqual([]);
    },
  );

  it('falls back to tfjs operations where the page forbids WebAssembly, with one warning', async () => {
    await open('/no-wasm');
    const first = await check('train', 'cpu');
    const second = await check('train', 'cpu');
    expect(first).toMatchObject({ backend: 'cpu', executor: 'ops' });
    expect(second).toEqual(first);
    expect(warnings.filter((text) => text.startsWith('tfjs-warmup:'))).toEqual([
      expect.stringContaining("'wasm-unsafe-eval'"),
    ]);
    expect(await tf.setBackend('cpu')).toBe(true);
    expect(largestDifference(first, await train())).toBeLessThanOrEqual(1e-6);
  });

  it('runs tfjs on its webgpu backend', async () => {
    await open('/');
    expect(await check('webgpu')).toEqual({
      backend: 'webgpu',
      architecture: 'swiftshader',
      product: [19, 22, 43, 50],
    });
  });

  it('trains on the webgpu backend with fused kernels, as on cpu', async () => {
    await open('/');
    const inPage = await check('trainOnWebGPU');
    expect(inPage).toMatchObject({ backend: 'webgpu', executor: 'webgpu' });
    expect(await tf.setBackend('cpu')).toBe(true);
    expect(largestDifference(inPage, await train())).toBeLessThanOrEqual(1e-5);
    expect(warnings.filter((text) => text.startsWith('tfjs-warmup:'))).toEqual([]);
  });

  it('shows GPU errors that nothing catches', async () => {
    await open('/');
    await check('brokenShader');
    expect([errors, (errors = [])][0].join()).toMatch(/GPU: .*WGSL/);
  });
});
