/**
 * The library in a real browser: tfjs's backends as a page gets them, and what a page's security
 * policy forbids.
 */
import { describe, expect, it } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { skipWebGPU } from '../webgpu/support/vitest';
import { Pages } from './pages';
import { train, type Trained } from './steps';

function largestDifference(a: Trained, b: Trained): number {
  const all = ({ losses, weights }: Trained): number[] => [...losses, ...weights.flat()];
  const others = all(b);
  return Math.max(...all(a).map((value, i) => Math.abs(value - others[i])));
}

describe.skipIf(skipWebGPU)('in chromium', () => {
  const pages = new Pages();

  it('has WebGPU and no cross-origin isolation', async () => {
    await pages.open('/');
    expect(await pages.check('environment')).toEqual({ crossOriginIsolated: false, webgpu: true });
  });

  it.each(['wasm', 'cpu'] as const)(
    'trains on the %s backend with fused kernels, as Node does',
    async (backend) => {
      await pages.open('/');
      const inPage = await pages.check('train', backend);
      expect(await tf.setBackend(backend)).toBe(true);
      const inNode = await train();
      expect(inPage).toMatchObject({ backend, executor: 'wasm' });
      expect(inNode).toMatchObject({ backend, executor: 'wasm' });
      expect(inPage.losses[4]).toBeLessThan(inPage.losses[0]);
      expect(largestDifference(inPage, inNode)).toBeLessThanOrEqual(1e-6);
      expect(pages.warnings).toEqual([]);
    },
  );

  it('falls back to tfjs operations where the page forbids WebAssembly, with one warning', async () => {
    await pages.open('/no-wasm');
    const first = await pages.check('train', 'cpu');
    const second = await pages.check('train', 'cpu');
    expect(first).toMatchObject({ backend: 'cpu', executor: 'ops' });
    expect(second).toEqual(first);
    expect(pages.ownWarnings()).toEqual([expect.stringContaining("'wasm-unsafe-eval'")]);
    expect(await tf.setBackend('cpu')).toBe(true);
    expect(largestDifference(first, await train())).toBeLessThanOrEqual(1e-6);
  });

  it('runs tfjs on its webgpu backend', async () => {
    await pages.open('/');
    expect(await pages.check('webgpu')).toEqual({
      backend: 'webgpu',
      architecture: 'swiftshader',
      product: [19, 22, 43, 50],
    });
  });

  it('trains on the webgpu backend with fused kernels, as on cpu', async () => {
    await pages.open('/');
    const inPage = await pages.check('trainOnWebGPU');
    expect(inPage).toMatchObject({ backend: 'webgpu', executor: 'webgpu' });
    expect(await tf.setBackend('cpu')).toBe(true);
    expect(largestDifference(inPage, await train())).toBeLessThanOrEqual(1e-5);
    expect(pages.ownWarnings()).toEqual([]);
  });

  it('shows GPU errors that nothing catches', async () => {
    await pages.open('/');
    await pages.check('brokenShader');
    expect(pages.takeErrors().join()).toMatch(/GPU: .*WGSL/);
  });
});
