import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { Run } from './study.js';

interface Curve {
  name: string;
  points: { x: number; y: number }[];
  dashed?: boolean;
  /** A dot at each point: a run that diverges has a single one. */
  dots?: boolean;
}

const width = 720;

/**
 * Loss, and sharpness with the line 2 / eta, as SVG documents; a gray line marks the crossing and
 * the peak of a catapult.
 */
export function drawRun({ recorder, crossedAt, catapult }: Run): {
  loss: string;
  sharpness: string;
} {
  const steps = [...new Set([crossedAt, catapult?.step])].filter((step) => step !== undefined);
  return {
    loss: drawCurves('loss', [{ name: 'loss', points: recorder.series('loss') }], steps),
    sharpness: drawCurves(
      'sharpness',
      [
        { name: 'sharpness', points: recorder.series('sharpness'), dots: true },
        { name: '2 / eta', points: recorder.series('threshold'), dashed: true },
      ],
      steps,
    ),
  };
}

/**
 * Axes are logarithmic: 2 / eta falls by as much as there are warmup steps, and a loss that
 * diverges grows without end.
 */
function drawCurves(axis: string, curves: readonly Curve[], steps: readonly number[]): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const names = curves.map(({ name }) => name);
  const svg = Plot.plot({
    document: document as unknown as Document,
    width,
    height: 260,
    marginLeft: 50,
    ariaLabel: axis,
    x: { label: 'step' },
    y: { label: axis, grid: true, type: 'log', tickFormat: '~g' },
    color: { type: 'ordinal', domain: names, scheme: 'observable10' },
    marks: [
      Plot.frame({ stroke: 'currentColor', strokeOpacity: 0.2 }),
      Plot.ruleX(steps, { stroke: 'currentColor', strokeOpacity: 0.3 }),
      curves.map(({ name, points, dashed, dots }) => {
        // A logarithmic axis has no place for a sharpness below 0, nor for a loss that is not
        // finite.
        const shown = points.filter(({ y }) => Number.isFinite(y) && y > 0);
        return [
          Plot.line(shown, {
            x: 'x',
            y: 'y',
            stroke: () => name,
            strokeWidth: 1.5,
            ...(dashed && { strokeDasharray: '5 3' }),
          }),
          dots ? Plot.dot(shown, { x: 'x', y: 'y', fill: () => name, r: 2 }) : undefined,
        ];
      }),
      names.length > 1
        ? names.map((name, i) =>
            Plot.text([name], {
              frameAnchor: 'top-right',
              dx: -8,
              dy: 8 + 16 * i,
              fontSize: 12,
              fontWeight: 'bold',
              fill: () => name,
            }),
          )
        : undefined,
    ],
  });
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  // A picture in a page with a dark theme has no other background. (Plot's own `style` option fails
  // in linkedom.)
  svg.setAttribute('style', 'background: white; color: black');
  return svg.outerHTML;
}
