/** Compute pipelines and their bind group layouts. */
import { getOrMake } from '../get-or-make.js';
import type { WebGPUBridge } from './webgpu-bridge.js';

export type Pipeline = {
  readonly pipeline: GPUComputePipeline;
  /** The layout of the bind group of all but the gradients. */
  readonly stable: GPUBindGroupLayout;
};

export function pipelines({ device, make }: WebGPUBridge) {
  const known = new Map<string, Pipeline>();
  const layouts = new Map<number, { stable: GPUBindGroupLayout; layout: GPUPipelineLayout }>();

  const layoutOf = (types: readonly GPUBufferBindingType[]): GPUBindGroupLayout =>
    device.createBindGroupLayout({
      // The records of a dispatch are found by a dynamic offset.
      entries: types.map((type, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type, hasDynamicOffset: binding === 1 },
      })),
    });
  const gradient = layoutOf(['read-only-storage']);

  return {
    /** The layout of a bind group of one gradient: its buffer changes, others stay. */
    gradient,
    /** The pipeline of a shader that binds so many weights, and as many gradients or none. */
    pipelineOf: (name: string, code: string, weights: number, gradients: number): Pipeline =>
      getOrMake(known, code, () => {
        const { stable, layout } = getOrMake(layouts, 8 * weights + gradients, () => {
          const own = layoutOf([
            'storage',
            'read-only-storage',
            ...Array<'storage'>(weights).fill('storage'),
          ]);
          return {
            stable: own,
            layout: device.createPipelineLayout({
              bindGroupLayouts: [own, ...Array<GPUBindGroupLayout>(gradients).fill(gradient)],
            }),
          };
        });
        const label = `tfjs-warmup ${name}`;
        const compile = () =>
          device.createComputePipeline({
            label,
            layout,
            compute: { module: device.createShaderModule({ label, code }), entryPoint: 'main' },
          });
        return {
          stable,
          pipeline: make(
            'validation',
            compile,
            (message) => `rule ${name}: the device refuses its shader: ${message}\n${code}`,
          ),
        };
      }),
  };
}
