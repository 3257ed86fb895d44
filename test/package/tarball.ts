/** The package as users get it: packed, then installed into a project of its own. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');

export type Project = { readonly folder: string; readonly tarball: string; remove(): void };

const npm = (cwd: string, ...args: string[]): void => {
  execFileSync('npm', [...args, '--silent', '--no-audit', '--no-fund'], {
    cwd,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
};

/** Packs what is in dist and installs the tarball beside this repository's tfjs. */
export function installTarball(): Project {
  const folder = mkdtempSync(join(tmpdir(), 'tfjs-warmup-package-'));
  npm(root, 'pack', '--ignore-scripts', '--pack-destination', folder);
  const tarball = join(
    folder,
    readdirSync(folder).find((name) => name.endsWith('.tgz'))!,
  );
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  npm(folder, 'install', '--legacy-peer-deps', '--offline', tarball);
  mkdirSync(join(folder, 'node_modules'), { recursive: true });
  symlinkSync(join(root, 'node_modules/@tensorflow'), join(folder, 'node_modules/@tensorflow'));
  return { folder, tarball, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
