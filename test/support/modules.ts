/** What code in guides and docstrings may import, by the names that a user writes. */
import * as tf from '@tensorflow/tfjs';
import * as core from '@tensorflow/tfjs-core';
import * as rules from '../../src/entries/rules.js';
import * as library from '../../src/index.js';
import * as optimizers from '../../src/optimizers/index.js';
import * as probes from '../../src/probes/index.js';
import * as schedules from '../../src/schedules/index.js';
import * as weights from '../../src/weights/index.js';
import type { Modules } from './examples.js';

export const modules: Modules = {
  '@tensorflow/tfjs': tf,
  '@tensorflow/tfjs-core': core,
  '@tensorflow/tfjs-layers': tf,
  // For their side effects alone: test/support/backends.ts has imported them.
  '@tensorflow/tfjs-backend-cpu': {},
  '@tensorflow/tfjs-backend-wasm': {},
  'tfjs-warmup': library,
  'tfjs-warmup/optimizers': optimizers,
  'tfjs-warmup/probes': probes,
  'tfjs-warmup/rules': rules,
  'tfjs-warmup/schedules': schedules,
  'tfjs-warmup/weights': weights,
};
