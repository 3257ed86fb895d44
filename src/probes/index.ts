export type { MetricName } from './metrics.js';
export { UpdateProbe, type ProbeReading, type UpdateProbeOptions, type VariableReading } from './update-probe.js';
