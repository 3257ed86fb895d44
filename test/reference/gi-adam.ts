/**
 * GI-Adam. Kalra and Barkeshli, Why warmup the learning rate? (arXiv 2406.09405), section 6.2: v_0
 * = g_0^2, m_0 = 0, then Adam with its bias corrections.
 */
import { adamW } from './adamw.js';
import { stateOf, type Reference } from './reference.js';

export const giAdam: Reference = (w, g, state, options) => {
  if (options.step === 1) state.v = g.map((value) => value ** 2);
  adamW(w, g, state, options);
};

/** This library's form for rows that are seen late: v starts at scale g^2 where g is first not 0. */
export const giAdamFirstNonZero =
  (scale: number): Reference =>
  (w, g, state, options) => {
    const v = stateOf(state, 'v', w.length);
    for (let i = 0; i < w.length; i++) if (v[i] === 0) v[i] = scale * g[i] ** 2;
    adamW(w, g, state, options);
  };
