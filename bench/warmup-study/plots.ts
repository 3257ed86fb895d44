import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { Run } from './train.js';

interface Figure {
  file: string;
  title: string;
  axis: string;
  series: (run: Run) => number[];
  log?: boolean;
  smooth?: boolean;
}

/** All that is drawn: a new figure is one more entry. */
export const figures: readonly Figure[] = [
  { file: 'loss', title: 'Training loss', axis: 'cross-entropy in nats, moving mean', series: (run) => run.losses, smooth: true },
  { file: 'learning-rate', title: 'Learning rate', axis: 'learning rate', series: (run) => run.learningRates },
  { file: 'update-norm', title: 'Update norm', axis: 'norm of the change of all weights', series: (run) => run.updateNorms, log: true },
];

interface Point {
  run: string;
  seed: number;
  step: number;
  value: number;
}

/** One figure as an SVG document that needs nothing else: its legend is drawn in it. */
export function drawFigure({ title, axis, series, log, smooth }: Figure, runs: readonly Run[]): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const points = runs.flatMap((run): Point[] => series(run).map((value, step) => ({ run: run.name, seed: run.seed, step, value })));
  // A logarithmic axis has no place for the 0 of a step that changed nothing.
  const shown = points.filter(({ value }) => Number.isFinite(value) && (!log || value > 0));
  const names = [...new Set(runs.map((run) => run.name))];
  const palette = Plot.scale({ color: { type: 'ordinal', domain: names, scheme: 'observable10' } });
  const window = smooth ? Math.max(1, Math.round(Math.max(...runs.map((run) => series(run).length)) / 20)) : 1;
  const line = { x: 'step', y: 'value', stroke: 'run', z: (point: Point) => `${point.run} ${point.seed}`, strokeWidth: 1.5, strokeOpacity: 0.8 };
  const svg = Plot.plot({
    document: document as unknown as Document,
    width: 720,
    height: 360,
    marginLeft: 50,
    ariaLabel: title,
    x: { label: 'step' },
    y: { label: axis, grid: true, ...(log && { type: 'log' as const, tickFormat: '~g' }) },
    color: { type: 'ordinal', domain: names, range: palette.range },
    marks: [
      Plot.frame({ stroke: 'currentColor', strokeOpacity: 0.2 }),
      Plot.line(shown, window > 1 ? Plot.windowY({ k: window, anchor: 'end' }, line) : line),
      names.map((name, i) => Plot.text([name], { frameAnchor: 'top-right', dx: -8, dy: 8 + 16 * i, fontSize: 12, fontWeight: 'bold', fill: palette.apply(name) })),
    ],
  });
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  // A picture in a page with a dark theme has no other background. (Plot's own `style` option fails in linkedom.)
  svg.setAttribute('style', 'background: white; color: black');
  return svg.outerHTML;
}
