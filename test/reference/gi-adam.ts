/**
 * GI-Adam. Kalra and Barkeshli, Why warmup the learning rate? (arXiv 2406.09405), section 6.2: v_0
 * = g_0^2, m_0 = 0, then Adam with its bias corrections.
 */
import { adamW } from './adamw.js';
import type { Reference } from './reference.js';

export const giAdam: Reference = (w, g, state, options) => {
  if (options.step === 1) state.v = g.map((value) => value ** 2);
  adamW(w, g, state, options);
};
