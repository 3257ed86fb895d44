export * from './optimizers/index.js';
export * from './rules/index.js';
export * from './schedules/index.js';
