/**
 * GI-Adam: Adam whose second moment starts at the squared first gradient, with the usual bias corrections kept, which
 * then act as a warmup eta sqrt(1 - beta2^t). Source: Kalra and Barkeshli, arXiv 2406.09405, section 6.2, Eqs 9 to 11.
 */
import { square } from '../compiler/expression.js';
import { defineRule } from '../compiler/rule.js';
import { adamHost, adamUpdate } from './adamw.js';

export const giAdam = /* @__PURE__ */ defineRule({
  name: 'giAdam',
  slots: { m: 'element', v: 'element' },
  roles: { momentum: 'm', secondMoment: 'v' },
  initial: ({ g }) => ({ v: square(g) }),
  host: adamHost,
  update: adamUpdate,
});
