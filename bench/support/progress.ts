import { SingleBar, Presets } from 'cli-progress';

/** Is told of each step: the run, the step from 0 and its loss. */
export type StepListener = (
  run: { name: string; seed?: number },
  step: number,
  loss: number,
) => void;

export interface Progress {
  step: StepListener;
  /** Steps that will not come: those of a run that ended early. */
  skip(steps: number): void;
  stop(): void;
}

/** A bar on a terminal; elsewhere, as in a log file, about ten plain lines a run. */
export function showProgress(
  { runs, steps }: { runs: number; steps: number },
  stream: NodeJS.WriteStream = process.stdout,
): Progress {
  let total = runs * steps;
  const start = performance.now();
  let done = 0;
  const advance = (loss: number): { loss: string; speed: string; left: string } => {
    done++;
    const seconds = (performance.now() - start) / 1000;
    return {
      loss: loss.toFixed(3),
      speed: (done / seconds).toFixed(1),
      left: duration(((total - done) * seconds) / done),
    };
  };
  const skip = (skipped: number): number => (total -= skipped);
  return stream.isTTY
    ? bar(total, stream, advance, skip)
    : { ...lines(steps, stream, advance), skip };
}

const label = ({ name, seed }: { name: string; seed?: number }): string =>
  seed === undefined ? name : `${name}, seed ${seed}`;

type Advance = (loss: number) => { loss: string; speed: string; left: string };

function bar(
  total: number,
  stream: NodeJS.WriteStream,
  advance: Advance,
  skip: (steps: number) => number,
): Progress {
  const bar = new SingleBar(
    {
      stream,
      // Fits 80 columns.
      format: '{bar} {percentage}% {run}: loss {loss}, {speed} steps/s, {left} left',
      barsize: 10,
      // Its handler would swallow the first Ctrl-C: it stops the bar and lets the training go on.
      gracefulExit: false,
      // Otherwise the terminal's own wrapping is switched off, and stays so after Ctrl-C.
      linewrap: true,
    },
    Presets.shades_classic,
  );
  bar.start(total, 0, { run: 'starting', loss: '-', speed: '-', left: '-' });
  return {
    step: (run, _, loss) =>
      bar.increment({ run: label(run).replace(', no warmup', ''), ...advance(loss) }),
    skip: (steps) => bar.setTotal(skip(steps)),
    stop: () => bar.stop(),
  };
}

function lines(
  steps: number,
  stream: NodeJS.WriteStream,
  advance: Advance,
): Omit<Progress, 'skip'> {
  const every = Math.ceil(steps / 10);
  return {
    step: (run, step, loss) => {
      const now = advance(loss);
      if ((step + 1) % every === 0 || step + 1 === steps) {
        stream.write(
          `${label(run)}: step ${step + 1} of ${steps}, loss ${now.loss}, ${now.speed} steps/s, ${now.left} left\n`,
        );
      }
    },
    stop: () => {},
  };
}

export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 60
    ? `${whole}s`
    : `${Math.floor(whole / 60)}m${`${whole % 60}`.padStart(2, '0')}s`;
}
