/** All of tfjs-warmup; each part can also be imported alone, as in `tfjs-warmup/schedules`. */
export * from './optimizers/index.js';
export * from './probes/index.js';
export * from './rules/index.js';
export * from './schedules/index.js';
export * from './weights/index.js';
