import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { Run } from './train.js';

interface Point {
  step: number;
  value: number;
}

interface Figure {
  file: string;
  title: string;
  axis: string;
  series: (run: Run) => Point[];
  log?: boolean;
  /** A moving mean. */
  smooth?: boolean;
  /** A dot at each point, for series that skip steps. */
  dots?: boolean;
}

const eachStep = (values: readonly number[]): Point[] =>
  values.map((value, step) => ({ step, value }));

/** All that is drawn: a new figure is one more entry. */
export const figures: readonly Figure[] = [
  {
    file: 'loss',
    title: 'Training loss',
    axis: 'cross-entropy in nats, moving mean',
    series: (run) => eachStep(run.losses),
    smooth: true,
  },
  {
    file: 'learning-rate',
    title: 'Learning rate',
    axis: 'learning rate',
    series: (run) => eachStep(run.learningRates),
  },
  {
    file: 'update-norm',
    title: 'Update norm',
    axis: 'norm of the change of all weights',
    series: (run) => eachStep(run.updateNorms),
    log: true,
  },
  {
    file: 'neuron-angle',
    title: 'Angle per neuron',
    axis: 'radians a step, median of all neurons',
    series: (run) => eachStep(run.neuronAngles),
    log: true,
  },
  {
    file: 'angle',
    title: 'Angle per matrix',
    axis: 'radians a step, median of query, key and value matrices',
    series: (run) => eachStep(run.angles),
    log: true,
  },
  {
    file: 'representation-change',
    title: 'Representation change',
    axis: '|dW X| / |W X|, median of query, key and value matrices',
    series: (run) => run.representationChanges,
    log: true,
    dots: true,
  },
  {
    // The ratio itself is 0 or infinite on many steps: its share shows both.
    file: 'signal-to-noise',
    title: 'Signal in the gradient',
    axis: 'signal / (signal + noise), moving mean of the median of all matrices',
    series: (run) => eachStep(run.signalToNoise.map((ratio) => 1 / (1 + 1 / ratio))),
    smooth: true,
  },
];

const width = 720;
const legendColumns = 2;
const legendLine = 16;

/** One figure as an SVG document that needs nothing else: its legend is drawn in it. */
export function drawFigure(
  { title, axis, series, log, smooth, dots }: Figure,
  runs: readonly Run[],
): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const points = runs.flatMap((run) =>
    series(run).map((point) => ({ run: run.name, seed: run.seed, ...point })),
  );
  // A logarithmic axis has no place for the 0 of a step that changed nothing.
  const shown = points.filter(({ value }) => Number.isFinite(value) && (!log || value > 0));
  const names = [...new Set(runs.map((run) => run.name))];
  const palette = Plot.scale({
    color: {
      type: 'ordinal',
      domain: names,
      scheme: names.length > 10 ? 'rainbow' : 'observable10',
    },
  });
  const window = smooth
    ? Math.max(1, Math.round(Math.max(...runs.map((run) => series(run).length)) / 20))
    : 1;
  const line = {
    x: 'step',
    y: 'value',
    stroke: 'run',
    z: (point: (typeof points)[number]) => `${point.run} ${point.seed}`,
    strokeWidth: 1.5,
    strokeOpacity: 0.8,
  };
  // The plot's own label of the y axis stands above it.
  const legendTop = 18;
  const marginTop = legendTop + legendLine * Math.ceil(names.length / legendColumns) + 12;
  const svg = Plot.plot({
    document: document as unknown as Document,
    width,
    height: 330 + marginTop,
    marginLeft: 50,
    marginTop,
    ariaLabel: title,
    x: { label: 'step' },
    y: { label: axis, grid: true, ...(log && { type: 'log' as const, tickFormat: '~g' }) },
    color: { type: 'ordinal', domain: names, range: palette.range },
    marks: [
      Plot.frame({ stroke: 'currentColor', strokeOpacity: 0.2 }),
      Plot.line(shown, window > 1 ? Plot.windowY({ k: window, anchor: 'end' }, line) : line),
      dots ? Plot.dot(shown, { x: 'step', y: 'value', fill: 'run', r: 2 }) : undefined,
      names.map((name, i) =>
        Plot.text([name], {
          frameAnchor: 'top-left',
          fontSize: 12,
          fontWeight: 'bold',
          fill: palette.apply(name),
          dx: (i % legendColumns) * (width / legendColumns),
          dy: legendTop - marginTop + legendLine * Math.floor(i / legendColumns),
        }),
      ),
    ],
  });
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  // A picture in a page with a dark theme has no other background. (Plot's own `style` option fails
  // in linkedom.)
  svg.setAttribute('style', 'background: white; color: black');
  return svg.outerHTML;
}
