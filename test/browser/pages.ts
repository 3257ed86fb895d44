/** Pages of a real Chromium, for the tests of a file. */
import { afterAll, afterEach, beforeAll } from 'vitest';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from './chromium';
import type { Checks } from './page';
import { serve, type Server } from './server';

/** Starts a browser for the tests around it; an error that nothing catches in a page fails a test. */
export class Pages {
  #browser!: Browser;
  #server!: Server;
  #page: Page | undefined;
  #errors: string[] = [];
  /** What the page of this test has warned of. */
  warnings: string[] = [];

  constructor() {
    beforeAll(async () => {
      [this.#browser, this.#server] = await Promise.all([launchChromium(), serve()]);
    }, 120_000);
    afterAll(async () => {
      await this.#browser?.close();
      this.#server?.close();
    });
    afterEach(() => this.#close());
  }

  async open(path = '/'): Promise<void> {
    const page = await this.#browser.newPage();
    page.on('pageerror', ({ message }) => this.#errors.push(message));
    page.on('crash', () => this.#errors.push('the page crashed'));
    page.on('console', (message) => {
      if (message.type() === 'warning') this.warnings.push(message.text());
    });
    await page.goto(this.#server.origin + path);
    this.#page = page;
  }

  /** Runs a check of page.ts in the open page. */
  check<K extends keyof Checks>(
    name: K,
    ...args: Parameters<Checks[K]>
  ): Promise<Awaited<ReturnType<Checks[K]>>> {
    return this.#page!.evaluate(
      ([name, args]) => {
        const { run } = globalThis as unknown as {
          run: (name: string, ...args: unknown[]) => unknown;
        };
        return run(name, ...args);
      },
      [name, args] as const,
    ) as Promise<Awaited<ReturnType<Checks[K]>>>;
  }

  /** The warnings of this library. */
  ownWarnings(): string[] {
    return this.warnings.filter((text) => text.startsWith('tfjs-warmup:'));
  }

  /** The errors that nothing has caught; the test then does not fail for them. */
  takeErrors(): string[] {
    return this.#errors.splice(0);
  }

  async #close(): Promise<void> {
    await this.#page?.close();
    this.#page = undefined;
    this.warnings = [];
    const errors = this.takeErrors();
    if (errors.length > 0) throw new Error(`uncaught in the page: ${errors.join('\n')}`);
  }
}
