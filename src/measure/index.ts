/** Measurements, controls and scans. What a scan finds is data (`result.ts`); `sinklab/report` shows it. */
export { Collection } from './collection.ts';
export { type ControlSetting, controlSettings } from './controls.ts';
export { highNormTokens } from './high-norm.ts';
export { detectMassive, massiveCriterion, type ResidualExtremes, residualExtremes } from './massive-detector.ts';
export type {
  Collector,
  CurvesPicture,
  MapPicture,
  Measurement,
  PageContext,
  Picture,
  Setting,
  TextLayer,
} from './measurement.ts';
export { picturePreview } from './picture-preview.ts';
export { proxyScores } from './proxy-scores.ts';
export { QuantileSketch, type QuantileSketchJson } from './quantile-sketch.ts';
export { type Received, receivedByKey } from './received.ts';
export { measurements } from './registry.ts';
export type * from './result.ts';
export { RowMeans } from './row-means.ts';
export { type ScanFindings, type ScanInput, type ScanOptions, scan } from './scan.ts';
export { scanMemory } from './scan-memory.ts';
export type { Single } from './scan-pass.ts';
export { describeModel, type ScanSetting, scanResult } from './scan-result.ts';
export { type ScoreSplit, scoreSplit } from './score-split.ts';
export { findPrimary, findTurnedTokens, type Primary, sinkStrength, type TurnedToken } from './secondary-detector.ts';
export { SinkRateSums } from './sink-rate.ts';
export type { SinkRateJson, SinkRateProtocol, SinkRates, SinkRateText } from './sink-rate-protocol.ts';
export { findSinkTokens, type SinkEvidence, type SinkTokens } from './sink-tokens.ts';
export { spectrogramPreview } from './spectrogram-preview.ts';
export { type Summarised, summarise } from './summary.ts';
export { type UniformAttention, uniformAttention } from './uniform.ts';
export type { Visibility } from './visibility.ts';
