/** Runs a study from the command line; its own errors are one line, without a stack. */
export async function runFromCommandLine(main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    // The wasm backend's own handler of uncaught errors would print its whole source first.
    const message =
      error instanceof Error && error.message.startsWith('study: ') ? error.message : error;
    console.error(message);
    process.exitCode = 1;
  }
}
