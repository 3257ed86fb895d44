/**
 * The archives of @sparticuz/chromium, each unpacked once into a cache folder beside the package.
 */
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress } from 'node:zlib';
import { extract } from 'tar-fs';

/** The package hides its package.json, so its folder is found from its main file. */
function packageFolder(): string {
  const main = createRequire(import.meta.url).resolve('@sparticuz/chromium');
  return (
    main.slice(0, main.lastIndexOf(join('@sparticuz', 'chromium'))) + join('@sparticuz', 'chromium')
  );
}

async function cacheFolder(): Promise<string> {
  const beside = join(packageFolder(), '..', '..', '.cache', 'tfjs-warmup');
  try {
    await mkdir(beside, { recursive: true });
    return beside;
  } catch {
    const elsewhere = join(tmpdir(), 'tfjs-warmup');
    await mkdir(elsewhere, { recursive: true });
    return elsewhere;
  }
}

/** The folder with what is in these archives, for instance `['swiftshader.tar.br']`. */
export async function unpack(name: string, archives: readonly string[]): Promise<string> {
  const { version } = JSON.parse(await readFile(join(packageFolder(), 'package.json'), 'utf8')) as {
    version: string;
  };
  const folder = join(await cacheFolder(), `${name}-${version}`);
  if (existsSync(folder)) return folder;
  // Two processes may come here at once: each unpacks for itself, and the folder appears whole or
  // not at all.
  const unfinished = await mkdtemp(`${folder}-`);
  try {
    await Promise.all(
      archives.map(async (archive) => {
        const target = archive.endsWith('.tar.br')
          ? extract(unfinished)
          : createWriteStream(join(unfinished, basename(archive, '.br')), { mode: 0o755 });
        await pipeline(
          createReadStream(join(packageFolder(), 'bin', archive)),
          createBrotliDecompress({ chunkSize: 2 ** 21 }),
          target,
        );
      }),
    );
    await rename(unfinished, folder);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    if (!existsSync(folder))
      throw new Error(
        `cannot unpack ${archives.join(', ')} into ${dirname(folder)}: ${String(error)}`,
        { cause: error },
      );
  }
  return folder;
}
