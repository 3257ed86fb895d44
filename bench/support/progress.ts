import { SingleBar, Presets } from 'cli-progress';

/** Is told of each step: the run, the step from 0 and its loss. */
export type StepListener = (
  run: { name: string; seed?: number },
  step: number,
  loss: number,
) => void;

export interface Progress {
  readonly step: StepListener;
  /** Steps that will not come: those of a run that ended early. */
  readonly skip: (steps: number) => void;
  readonly stop: () => void;
}

/** A bar on a terminal; elsewhere, as in a log file, about ten plain lines a run. */
export const showProgress = (
  { runs, steps }: { runs: number; steps: number },
  stream: NodeJS.WriteStream = process.stdout,
): Progress =>
  stream.isTTY
    ? new BarProgress(runs * steps, stream)
    : new LineProgress(runs * steps, steps, stream);

const label = ({ name, seed }: { name: string; seed?: number }): string =>
  seed === undefined ? name : `${name}, seed ${seed}`;

/** How fast steps come, and when they will be done. */
class Pace {
  readonly #start = performance.now();
  #done = 0;

  constructor(public total: number) {}

  /** Counts a step, and tells how things stand after it. */
  advance(loss: number): { loss: string; speed: string; left: string } {
    this.#done++;
    const seconds = (performance.now() - this.#start) / 1000;
    return {
      loss: loss.toFixed(3),
      speed: (this.#done / seconds).toFixed(1),
      left: duration(((this.total - this.#done) * seconds) / this.#done),
    };
  }
}

class BarProgress implements Progress {
  readonly #pace: Pace;
  readonly #bar: SingleBar;

  constructor(total: number, stream: NodeJS.WriteStream) {
    this.#pace = new Pace(total);
    const options = {
      stream,
      // Fits 80 columns.
      format: '{bar} {percentage}% {run}: loss {loss}, {speed} steps/s, {left} left',
      barsize: 10,
      // Its handler would swallow the first Ctrl-C: it stops the bar and lets the training go on.
      gracefulExit: false,
      // Otherwise the terminal's own wrapping is switched off, and stays so after Ctrl-C.
      linewrap: true,
    };
    this.#bar = new SingleBar(options, Presets.shades_classic);
    this.#bar.start(total, 0, { run: 'starting', loss: '-', speed: '-', left: '-' });
  }

  readonly step: StepListener = (run, _, loss) => {
    const name = label(run).replace(', no warmup', '');
    this.#bar.increment({ run: name, ...this.#pace.advance(loss) });
  };

  readonly skip = (steps: number): void => {
    this.#pace.total -= steps;
    this.#bar.setTotal(this.#pace.total);
  };

  readonly stop = (): void => this.#bar.stop();
}

class LineProgress implements Progress {
  readonly #pace: Pace;
  readonly #steps: number;
  readonly #stream: NodeJS.WriteStream;

  constructor(total: number, steps: number, stream: NodeJS.WriteStream) {
    this.#pace = new Pace(total);
    this.#steps = steps;
    this.#stream = stream;
  }

  readonly step: StepListener = (run, step, loss) => {
    const { loss: shown, speed, left } = this.#pace.advance(loss);
    const done = step + 1;
    if (done % Math.ceil(this.#steps / 10) !== 0 && done !== this.#steps) return;
    this.#stream.write(
      `${label(run)}: step ${done} of ${this.#steps}, loss ${shown}, ` +
        `${speed} steps/s, ${left} left\n`,
    );
  };

  readonly skip = (steps: number): void => {
    this.#pace.total -= steps;
  };

  readonly stop = (): void => {};
}

export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 60
    ? `${whole}s`
    : `${Math.floor(whole / 60)}m${`${whole % 60}`.padStart(2, '0')}s`;
}
