/** The standard figure of a run. The plot library is an argument: this package depends on none. */
import { check, checkNames, checkNumber } from '../check.js';
import type { ProbeRecorder } from './probe-recorder.js';

type Mark = unknown;
type Point = { readonly x: number; readonly y: number; readonly name: string };

/** The part of Observable Plot that is used. */
export type PlotLibrary = {
  // A looser type than Plot's own, which can therefore change.
  plot(options: Record<string, unknown>): Element;
  line(data: readonly unknown[], options: Record<string, unknown>): Mark;
  text(data: readonly unknown[], options: Record<string, unknown>): Mark;
  frame(options: Record<string, unknown>): Mark;
};

/** Options of `ProbeRecorder.figure`. */
export type FigureOptions = {
  /** Makes the elements. Default: the browser's. */
  readonly document?: Document;
  /** Of the figure, in pixels. Default 640. */
  readonly width?: number;
  /** Of each curve's frame, in pixels. Default 180. */
  readonly panelHeight?: number;
  /** Names of the variables to draw. Default: all. */
  readonly variables?: readonly string[];
};

type Panel = {
  readonly title: string;
  readonly log?: boolean;
  /** Numbers of the run: a line each. */
  readonly values?: readonly string[];
  /** A metric: a line for each variable. */
  readonly metric?: string;
  /** Drawn where this one is known. */
  readonly needs?: string;
};

const panels: readonly Panel[] = [
  { title: 'loss', values: ['loss'] },
  { title: 'learning rate', values: ['learningRate'] },
  { title: 'update norm |dw|', metric: 'updateNorm', log: true },
  { title: 'angular update in radians', metric: 'angularUpdate', log: true },
  { title: 'signal-to-noise ratio of the gradient', metric: 'gradientSNR', log: true },
  // During a warmup the threshold starts at many times the sharpness.
  {
    title: 'sharpness, and where training becomes unstable',
    values: ['sharpness', 'threshold'],
    needs: 'sharpness',
    log: true,
  },
];

/** More names than this hide the lines: then there is no legend. */
const longestLegend = 8;

const titleHeight = 24;
const svgNamespace = 'http://www.w3.org/2000/svg';

export function drawFigure(
  recorder: ProbeRecorder,
  Plot: PlotLibrary,
  options: FigureOptions,
): SVGElement {
  const label = 'ProbeRecorder.figure';
  check(
    typeof Plot?.plot === 'function' && typeof Plot.line === 'function',
    label,
    'Plot',
    'be Observable Plot: import * as Plot from "@observablehq/plot"',
    Plot,
  );
  checkNames(label, options, ['document', 'width', 'panelHeight', 'variables']);
  const {
    document = globalThis.document,
    width = 640,
    panelHeight = 180,
    variables = recorder.variables,
  } = options;
  check(
    typeof document?.createElementNS === 'function',
    label,
    'document',
    'be given outside of a browser, as one of linkedom or jsdom',
    document,
  );
  checkNumber(label, 'width', width, '[100, Infinity)');
  checkNumber(label, 'panelHeight', panelHeight, '[50, Infinity)');
  for (const name of variables)
    check(
      recorder.variables.includes(name),
      label,
      'variables',
      `be among those that were read, ${recorder.variables.join(', ')}`,
      name,
    );

  const drawings = panels.flatMap((panel) => {
    const points = pointsOf(recorder, panel, variables);
    return points.length > 0 ? [{ ...panel, points }] : [];
  });
  if (drawings.length === 0)
    throw new Error(
      `${label}: nothing is recorded that could be drawn; call log(step, { loss }) or add(await probe.read()) first`,
    );

  const top = recorder.name ? titleHeight : 0;
  const height = top + drawings.length * (titleHeight + panelHeight);
  const svg = document.createElementNS(svgNamespace, 'svg') as SVGElement;
  // A picture in a page with a dark theme has no other background.
  setAttributes(svg, {
    xmlns: svgNamespace,
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    role: 'img',
    'font-family': 'system-ui, sans-serif',
    style: 'background: white; color: black',
  });
  const write = (text: string, y: number, size: number): void => {
    const element = document.createElementNS(svgNamespace, 'text');
    setAttributes(element, { x: 8, y, 'font-size': size, 'font-weight': 'bold' });
    element.textContent = text;
    svg.append(element);
  };
  if (recorder.name) write(recorder.name, 17, 15);
  drawings.forEach(({ title, points, log }, i) => {
    const y = top + i * (titleHeight + panelHeight);
    write(title, y + 17, 12);
    const panel = drawPanel(Plot, document, points, {
      width,
      height: panelHeight,
      log: log === true,
      title,
    });
    setAttributes(panel, { x: 0, y: y + titleHeight });
    svg.append(panel);
  });
  return svg;
}

function pointsOf(
  recorder: ProbeRecorder,
  { values = [], metric, needs, log }: Panel,
  variables: readonly string[],
): Point[] {
  if (needs !== undefined && recorder.series(needs).length === 0) return [];
  const curves = [
    ...values.map((name) => [name, recorder.series(name)] as const),
    ...(metric === undefined
      ? []
      : variables.map((name) => [name, recorder.series(metric, name)] as const)),
  ];
  // A logarithmic axis has no place for 0.
  return curves.flatMap(([name, points]) =>
    points
      .filter(({ y }) => Number.isFinite(y) && (!log || y > 0))
      .map((point) => ({ ...point, name })),
  );
}

function drawPanel(
  Plot: PlotLibrary,
  document: Document,
  points: readonly Point[],
  { width, height, log, title }: { width: number; height: number; log: boolean; title: string },
): Element {
  const names = [...new Set(points.map(({ name }) => name))];
  const legend = names.length > 1 && names.length <= longestLegend ? names : [];
  return Plot.plot({
    document,
    width,
    height,
    marginLeft: 56,
    ariaLabel: title,
    x: { label: 'step' },
    y: { label: null, grid: true, ...(log ? { type: 'log', tickFormat: '~g' } : { zero: false }) },
    color: { type: 'ordinal', domain: names, scheme: 'observable10' },
    marks: [
      Plot.frame({ stroke: 'currentColor', strokeOpacity: 0.2 }),
      Plot.line(points, {
        x: 'x',
        y: 'y',
        stroke: 'name',
        z: 'name',
        strokeWidth: 1.5,
        strokeOpacity: 0.8,
      }),
      ...legend.map((name, i) =>
        Plot.text([name], {
          frameAnchor: 'top-right',
          dx: -8,
          dy: 8 + 14 * i,
          fontSize: 11,
          fontWeight: 'bold',
          fill: () => name,
        }),
      ),
    ],
  });
}

function setAttributes(
  element: Element,
  attributes: Readonly<Record<string, string | number>>,
): void {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, `${value}`);
}
