import type { Run } from './study.js';

export const header = [
  'run',
  'c',
  'warmup steps',
  'lambda_0',
  'peak rate',
  'diverged at',
  'crossed 2/eta at',
  'catapult',
  'sharpness',
  '2/eta',
  'ratio',
];

/** One line of the result; sharpness and 2/eta are those of the last steps. */
export const cells = ({
  parametrization,
  c,
  warmupSteps,
  initialSharpness,
  peakRate,
  divergedAt,
  crossedAt,
  catapult,
  lateSharpness,
  lateThreshold,
}: Run): string[] => [
  parametrization,
  `${c}`,
  `${warmupSteps}`,
  initialSharpness.toFixed(1),
  peakRate.toPrecision(3),
  `${divergedAt ?? '-'}`,
  `${crossedAt ?? '-'}`,
  catapult
    ? `${catapult.before.toFixed(3)} to ${catapult.peak.toFixed(3)} at ${catapult.step}`
    : '-',
  ...(divergedAt === undefined
    ? [
        lateSharpness.toFixed(2),
        lateThreshold.toFixed(2),
        (lateSharpness / lateThreshold).toFixed(3),
      ]
    : ['-', '-', '-']),
];
