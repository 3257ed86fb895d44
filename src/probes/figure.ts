/** The standard figure of a run. The plot library is an argument: this package depends on none. */
import { check } from '../check.js';
import { parseOptions, variableNames, within } from '../schema.js';

type Point = { readonly x: number; readonly y: number };

/** A point of one of several curves in a panel. */
type NamedPoint = Point & { readonly name: string };

/** What a figure draws: a `ProbeRecorder`, or anything like it. */
export type Curves = {
  /** Stands above the figure. */
  readonly name: string;
  /** The names of all variables. */
  readonly variables: readonly string[];
  /** One curve, empty where nothing is known of it. */
  series(name: string, variable?: string): readonly Point[];
};

/** The part of Observable Plot that is used. */
export type PlotLibrary = {
  // A looser type than Plot's own, which can therefore change.
  plot(options: Record<string, unknown>): Element;
  line(data: readonly unknown[], options: Record<string, unknown>): unknown;
  text(data: readonly unknown[], options: Record<string, unknown>): unknown;
  frame(options: Record<string, unknown>): unknown;
};

/** Options of `ProbeRecorder.figure`. */
export type FigureOptions = {
  /**
   * Makes the elements; outside of a browser one of linkedom or jsdom.
   *
   * @defaultValue The browser's `document`.
   */
  readonly document?: Document;
  /**
   * Of the figure, in pixels, at least 100.
   *
   * @defaultValue 640
   */
  readonly width?: number;
  /**
   * Of each curve's frame, in pixels, at least 50.
   *
   * @defaultValue 180
   */
  readonly panelHeight?: number;
  /**
   * Names of the variables to draw.
   *
   * @defaultValue All variables that were read.
   */
  readonly variables?: readonly string[];
};

type Settings = Required<FigureOptions>;

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

const label = 'ProbeRecorder.figure';

export function drawFigure(curves: Curves, Plot: PlotLibrary, options: FigureOptions): SVGElement {
  check(
    typeof Plot?.plot === 'function' && typeof Plot.line === 'function',
    label,
    'Plot',
    'be Observable Plot: import * as Plot from "@observablehq/plot"',
    Plot,
  );
  const settings = parseSettings(curves, options);
  const drawings = panels
    .map((panel) => ({ panel, points: pointsOf(curves, panel, settings.variables) }))
    .filter(({ points }) => points.length > 0);
  if (drawings.length === 0)
    throw new Error(
      `${label}: nothing is recorded that could be drawn; ` +
        'call log(step, { loss }) or add(await probe.read()) first',
    );

  const { document, panelHeight } = settings;
  const top = curves.name ? titleHeight : 0;
  const rowHeight = titleHeight + panelHeight;
  const svg = emptyFigure(settings, top + drawings.length * rowHeight);
  if (curves.name) svg.append(heading(document, curves.name, 17, 15));
  drawings.forEach(({ panel, points }, i) => {
    const y = top + i * rowHeight;
    svg.append(heading(document, panel.title, y + 17, 12));
    const drawn = drawPanel(Plot, panel, points, settings);
    setAttributes(drawn, { x: 0, y: y + titleHeight });
    svg.append(drawn);
  });
  return svg;
}

function parseSettings(curves: Curves, options: FigureOptions): Settings {
  const schema = {
    document: {
      required: true,
      default: globalThis.document,
      allowed: 'be given outside of a browser, as one of linkedom or jsdom',
      accepts: (given: unknown) =>
        typeof (given as Document | undefined)?.createElementNS === 'function',
    },
    width: within('[100, Infinity)', 640),
    panelHeight: within('[50, Infinity)', 180),
    variables: variableNames(curves.variables),
  };
  const settings = parseOptions(label, schema, options) as Settings;
  for (const name of settings.variables)
    check(
      curves.variables.includes(name),
      label,
      'variables',
      `be among those that were read, ${curves.variables.join(', ')}`,
      name,
    );
  return settings;
}

/** The points of all curves of a panel; none where it is not to be drawn. */
function pointsOf(
  curves: Curves,
  { values = [], metric, needs, log = false }: Panel,
  variables: readonly string[],
): NamedPoint[] {
  if (needs !== undefined && curves.series(needs).length === 0) return [];
  const ofRun = values.flatMap((name) => named(name, curves.series(name), log));
  if (metric === undefined) return ofRun;
  return [...ofRun, ...variables.flatMap((name) => named(name, curves.series(metric, name), log))];
}

/** The points that can be drawn: a logarithmic axis has no place for 0. */
const named = (name: string, points: readonly Point[], log: boolean): NamedPoint[] =>
  points
    .filter(({ y }) => Number.isFinite(y) && (!log || y > 0))
    .map((point) => ({ ...point, name }));

function emptyFigure({ document, width }: Settings, height: number): SVGElement {
  const svg = document.createElementNS(svgNamespace, 'svg') as SVGElement;
  setAttributes(svg, {
    xmlns: svgNamespace,
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    role: 'img',
    'font-family': 'system-ui, sans-serif',
    // A picture in a page with a dark theme has no other background.
    style: 'background: white; color: black',
  });
  return svg;
}

function heading(document: Document, text: string, y: number, size: number): Element {
  const element = document.createElementNS(svgNamespace, 'text');
  setAttributes(element, { x: 8, y, 'font-size': size, 'font-weight': 'bold' });
  element.textContent = text;
  return element;
}

function drawPanel(
  Plot: PlotLibrary,
  { title, log }: Panel,
  points: readonly NamedPoint[],
  { document, width, panelHeight }: Settings,
): Element {
  const names = [...new Set(points.map(({ name }) => name))];
  const legend = names.length > 1 && names.length <= longestLegend ? names : [];
  return Plot.plot({
    document,
    width,
    height: panelHeight,
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
      ...legend.map((name, row) => legendEntry(Plot, name, row)),
    ],
  });
}

const legendEntry = (Plot: PlotLibrary, name: string, row: number): unknown =>
  Plot.text([name], {
    frameAnchor: 'top-right',
    dx: -8,
    dy: 8 + 14 * row,
    fontSize: 11,
    fontWeight: 'bold',
    fill: () => name,
  });

function setAttributes(
  element: Element,
  attributes: Readonly<Record<string, string | number>>,
): void {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, `${value}`);
}
