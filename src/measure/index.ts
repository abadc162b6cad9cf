/** Measuring attention sinks: one pass over a model, each figure with its value under uniform attention, and controls. */
export { type ControlSetting, controlSettings } from './controls.ts';
export { type ScanFindings, type ScanInput, type ScanOptions, scan } from './scan.ts';
export { describeModel, type ScanSetting, scanResult } from './scan-result.ts';
export { SinkRateSums } from './sink-rate.ts';
export { summarise } from './summary.ts';
export { type UniformAttention, uniformAttention } from './uniform.ts';
export type { Visibility } from './visibility.ts';
