/** tfjs's webgpu backend in Node, as the tests start it. */
export { startWebGPU, stopWebGPU, throwIfErrors } from '../../test/webgpu/support/dawn.js';
