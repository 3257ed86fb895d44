/** From a rule to the plans that an executor runs. */
import {
  asExpression,
  input,
  mul,
  type DeviceDomain,
  type Expression,
  type Operand,
} from './expression.js';
import type { Layout } from './layout.js';
import { makePlan, type Output } from './make-plan.js';
import type { Buffer, Plan } from './plan.js';
import { mapValues } from '../map-values.js';
import { inputsOf, preparationOf, updateOf, type Rule, type Values } from './rule.js';

export const variableBuffer: Buffer = { name: 'w', domain: 'element', role: 'variable' };
export const gradientBuffer: Buffer = { name: 'g', domain: 'element', role: 'gradient' };
/** The factor of the step-wide stage: one value for all gradients of a step. */
export const gradientScaleBuffer: Buffer = {
  name: 'gradientScale',
  domain: 'tensor',
  role: 'stepWide',
};

const slotBuffers = ({ slots }: Rule): Record<string, Buffer> =>
  mapValues(slots, (domain, name) => ({ name, domain, role: 'slot' }));

/** What a probe may look at. */
export type UpdateValues = {
  readonly rule: Rule;
  /** The gradient before the step-wide factor. */
  readonly g: Expression;
  /** The weight, the gradient that the rule sees, and the slots before the update. */
  readonly before: Values;
  /** The same after the update. */
  readonly after: Values;
};

/** Values of the tensor or of its neurons that a probe wants read, by name. */
export type ReadExpressions = (values: UpdateValues) => Readonly<Record<string, Expression>>;

const outputsOf = (
  values: Readonly<Record<string, Operand>>,
  buffers: Readonly<Record<string, Buffer>>,
): Output[] =>
  Object.entries(values).map(([name, value]) => ({
    buffer: buffers[name],
    value: asExpression(value),
  }));

/**
 * The plan of a rule's update; `scaled` if a step-wide factor multiplies the gradient first;
 * `readings` adds a probe's.
 */
export function planUpdate(rule: Rule, scaled: boolean, readings?: ReadExpressions): Plan {
  const buffers = {
    w: variableBuffer,
    g: gradientBuffer,
    gradientScale: gradientScaleBuffer,
    ...slotBuffers(rule),
  };
  const { g } = inputsOf(rule);
  const { before, after } = updateOf(rule, scaled ? mul(g, input('gradientScale', 'tensor')) : g);
  const read =
    readings?.({ rule, g, before, after: { ...before, ...mapValues(after, asExpression) } }) ?? {};
  const readingBuffers = mapValues(read, ({ domain }, name): Buffer => ({
    name,
    domain: domain as DeviceDomain,
    role: 'reading',
  }));
  return makePlan(rule.name, buffers, [
    ...outputsOf(after, buffers),
    ...outputsOf(read, readingBuffers),
  ]);
}

/** The plan that is run once on a weight before its first forward pass, if the rule has one. */
export function planPrepare(rule: Rule): Plan | undefined {
  const values = preparationOf(rule);
  const buffers = { w: variableBuffer, ...slotBuffers(rule) };
  return values && makePlan(`${rule.name}.prepare`, buffers, outputsOf(values, buffers));
}

/**
 * A plan over all gradients of a step that comes before every rule; its sums are over all of them,
 * its value scales them.
 */
export const planStepWide = (name: string, value: Expression): Plan =>
  makePlan(name, { g: gradientBuffer }, [{ buffer: gradientScaleBuffer, value }]);

/** The shape in which a slot is saved. */
export function slotShape(
  domain: DeviceDomain,
  shape: readonly number[],
  layout: Layout,
): number[] {
  if (domain === 'element') return [...shape];
  return domain === 'neuron' ? [layout.neurons] : [];
}
