/** Compute pipelines and their bind group layouts. */
import { getOrMake } from '../get-or-make.js';
import type { WebGPUBridge } from './webgpu-bridge.js';

export type Pipeline = {
  readonly pipeline: GPUComputePipeline;
  /** The layout of the bind group of all but the gradients. */
  readonly stable: GPUBindGroupLayout;
};

type Layouts = { readonly stable: GPUBindGroupLayout; readonly layout: GPUPipelineLayout };

export class Pipelines {
  readonly #bridge: WebGPUBridge;
  readonly #pipelines = new Map<string, Pipeline>();
  readonly #layouts = new Map<number, Layouts>();
  /** The layout of a bind group of one gradient: its buffer changes, others stay. */
  readonly gradientLayout: GPUBindGroupLayout;

  constructor(bridge: WebGPUBridge) {
    this.#bridge = bridge;
    this.gradientLayout = this.#groupLayout(['read-only-storage']);
  }

  /** The pipeline of a shader that binds so many weights, and as many gradients or none. */
  of(name: string, code: string, weights: number, gradients: number): Pipeline {
    return getOrMake(this.#pipelines, code, () => {
      const { device } = this.#bridge;
      const { stable, layout } = this.#layoutsOf(weights, gradients);
      const label = `tfjs-warmup ${name}`;
      const compile = (): GPUComputePipeline =>
        device.createComputePipeline({
          label,
          layout,
          compute: { module: device.createShaderModule({ label, code }), entryPoint: 'main' },
        });
      const messageOf = (reason: string): string =>
        `rule ${name}: the device refuses its shader: ${reason}\n${code}`;
      return { stable, pipeline: this.#bridge.create('validation', compile, messageOf) };
    });
  }

  #layoutsOf(weights: number, gradients: number): Layouts {
    return getOrMake(this.#layouts, 8 * weights + gradients, () => {
      const stable = this.#groupLayout([
        'storage',
        'read-only-storage',
        ...Array<'storage'>(weights).fill('storage'),
      ]);
      const layout = this.#bridge.device.createPipelineLayout({
        bindGroupLayouts: [
          stable,
          ...Array<GPUBindGroupLayout>(gradients).fill(this.gradientLayout),
        ],
      });
      return { stable, layout };
    });
  }

  #groupLayout(types: readonly GPUBufferBindingType[]): GPUBindGroupLayout {
    return this.#bridge.device.createBindGroupLayout({
      entries: types.map((type, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        // The parameter blocks of a dispatch are found by a dynamic offset.
        buffer: { type, hasDynamicOffset: binding === 1 },
      })),
    });
  }
}
