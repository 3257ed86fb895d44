/** From a rule to the plans that an executor runs. */
import { constant, input, mul, type DeviceDomain, type Expression, type Operand } from './expression.js';
import type { Layout } from './layout.js';
import { makePlan, type Buffer, type Output, type Plan } from './plan.js';
import { inputsOf, preparationOf, updateOf, type Rule, type Values } from './rule.js';

export const variableBuffer: Buffer = { name: 'w', domain: 'element', role: 'variable' };
export const gradientBuffer: Buffer = { name: 'g', domain: 'element', role: 'gradient' };
/** The factor of the step-wide stage: one value for all gradients of a step. */
export const gradientScaleBuffer: Buffer = { name: 'gradientScale', domain: 'tensor', role: 'stepWide' };

const slotBuffers = (rule: Rule): Record<string, Buffer> =>
  Object.fromEntries(Object.entries(rule.slots).map(([name, domain]) => [name, { name, domain: domain as DeviceDomain, role: 'slot' as const }]));

/** What a probe may look at: all values before the update and after it, the gradient as it came. */
export type UpdateValues = { readonly rule: Rule; readonly g: Expression; readonly before: Values; readonly after: Values };

/** Values of the tensor or of its neurons that a probe wants read, by name. */
export type Readings = (values: UpdateValues) => Readonly<Record<string, Expression>>;

/** The plan of a rule's update; `scaled` if a step-wide factor multiplies the gradient first; `readings` adds a probe's. */
export function planUpdate(rule: Rule, scaled: boolean, readings?: Readings): Plan {
  const slots = slotBuffers(rule);
  const buffers: Record<string, Buffer> = { w: variableBuffer, g: gradientBuffer, gradientScale: gradientScaleBuffer, ...slots };
  const { g } = inputsOf(rule);
  const { before, after } = updateOf(rule, scaled ? mul(g, input('gradientScale', 'tensor')) : g);
  const updated = { ...before, ...Object.fromEntries(Object.entries(after).map(([name, value]) => [name, asExpression(value)])) };
  const read = Object.entries(readings?.({ rule, g, before, after: updated }) ?? {});
  return makePlan(rule.name, buffers, [
    ...outputsOf(after, buffers),
    ...read.map(([name, value]): Output => ({ buffer: { name, domain: value.domain as DeviceDomain, role: 'reading' }, value })),
  ]);
}

/** The plan that is run once on a weight before its first forward pass, if the rule has one. */
export function planPrepare(rule: Rule): Plan | undefined {
  const values = preparationOf(rule);
  const buffers = { w: variableBuffer, ...slotBuffers(rule) };
  return values && makePlan(`${rule.name}.prepare`, buffers, outputsOf(values, buffers));
}

const outputsOf = (values: Readonly<Record<string, Expression | number>>, buffers: Readonly<Record<string, Buffer>>): Output[] =>
  Object.entries(values).map(([name, value]) => ({ buffer: buffers[name], value: asExpression(value) }));

const asExpression = (value: Operand): Expression => (typeof value === 'number' ? constant(value) : value);

/** A plan over all gradients of a step that comes before every rule; its sums are over all of them, its value scales them. */
export const planStepWide = (name: string, value: Expression): Plan => makePlan(name, { g: gradientBuffer }, [{ buffer: gradientScaleBuffer, value }]);

/** The shape in which a slot is saved. */
export const slotShape = (domain: DeviceDomain, shape: readonly number[], layout: Layout): number[] =>
  domain === 'element' ? [...shape] : domain === 'neuron' ? [layout.neurons] : [];
