/**
 * The program that tells which GPU would be measured: a line of JSON with `adapter`, or with
 * `error`.
 */
import { startWebGPU, stopWebGPU } from '../support/webgpu.js';
import type { Adapter } from './machine.js';

/** Drivers that compute on the CPU; they do not always call themselves a fallback. */
const softwareDrivers = /swiftshader|llvmpipe|lavapipe|softpipe/i;

async function findAdapter(): Promise<Adapter> {
  await startWebGPU();
  const { info } = (await navigator.gpu.requestAdapter())!;
  const { vendor, architecture, device, description } = info;
  stopWebGPU();
  return {
    vendor,
    architecture,
    device,
    description,
    software:
      info.isFallbackAdapter || softwareDrivers.test(`${architecture} ${device} ${description}`),
  };
}

const answer = await findAdapter().then(
  (adapter) => ({ adapter }),
  (error: Error) => ({ error: error.message }),
);
console.log(JSON.stringify(answer));
// Dawn would keep the process alive.
process.exit();
