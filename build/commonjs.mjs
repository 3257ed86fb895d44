/** Marks dist/cjs as CommonJS and gives it the same declarations as dist/esm. */
import { cpSync, writeFileSync } from 'node:fs';

cpSync('dist/esm', 'dist/cjs', { recursive: true, filter: (path) => !/\.js(\.map)?$/.test(path) });
writeFileSync('dist/cjs/package.json', '{ "type": "commonjs" }\n');
