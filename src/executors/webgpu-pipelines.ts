/** Compute pipelines and their bind group layouts, cached for each device. */

/** How many weights and gradients a kernel binds beside the arena and the records. */
export type Bindings = { readonly weights: number; readonly gradients: number };

export type Pipeline = {
  readonly pipeline: GPUComputePipeline;
  readonly stable: GPUBindGroupLayout;
  /** Why the device refuses the shader, or undefined: it tells only later. */
  readonly refusal: Promise<Error | undefined>;
};

type Cache = { readonly layouts: Map<string, { stable: GPUBindGroupLayout; pipeline: GPUPipelineLayout }>; readonly pipelines: Map<string, Pipeline>; gradient?: GPUBindGroupLayout };

const caches = new WeakMap<GPUDevice, Cache>();

function cacheOf(device: GPUDevice): Cache {
  const cache = caches.get(device) ?? { layouts: new Map(), pipelines: new Map() };
  caches.set(device, cache);
  return cache;
}

const storage = (binding: number, type: GPUBufferBindingType, hasDynamicOffset = false): GPUBindGroupLayoutEntry => ({
  binding,
  visibility: GPUShaderStage.COMPUTE,
  buffer: { type, hasDynamicOffset },
});

/** The layout of a bind group of one gradient. */
export function gradientLayout(device: GPUDevice): GPUBindGroupLayout {
  const cache = cacheOf(device);
  return (cache.gradient ??= device.createBindGroupLayout({ entries: [storage(0, 'read-only-storage')] }));
}

function layoutsFor(device: GPUDevice, { weights, gradients }: Bindings): { stable: GPUBindGroupLayout; pipeline: GPUPipelineLayout } {
  const { layouts } = cacheOf(device);
  const key = `${weights} ${gradients}`;
  let layout = layouts.get(key);
  if (!layout) {
    const stable = device.createBindGroupLayout({
      entries: [storage(0, 'storage'), storage(1, 'read-only-storage', true), ...Array.from({ length: weights }, (_, k) => storage(2 + k, 'storage'))],
    });
    const bindGroupLayouts = [stable, ...Array.from({ length: gradients }, () => gradientLayout(device))];
    layout = { stable, pipeline: device.createPipelineLayout({ bindGroupLayouts }) };
    layouts.set(key, layout);
  }
  return layout;
}

/** The pipeline of a shader. */
export function pipelineFor(device: GPUDevice, name: string, code: string, bindings: Bindings): Pipeline {
  const { pipelines } = cacheOf(device);
  const known = pipelines.get(code);
  if (known) return known;
  const { stable, pipeline: layout } = layoutsFor(device, bindings);
  device.pushErrorScope('validation');
  const label = `tfjs-warmup ${name}`;
  const module = device.createShaderModule({ label, code });
  const pipeline = device.createComputePipeline({ label, layout, compute: { module, entryPoint: 'main' } });
  const refusal = device.popErrorScope().then(
    (error) => error ? new Error(`rule ${name}: the device refuses its shader: ${error.message}\n${code}`) : undefined,
    // The device is lost: there is nothing to say of the shader.
    () => undefined,
  );
  const made = { pipeline, stable, refusal };
  pipelines.set(code, made);
  return made;
}
