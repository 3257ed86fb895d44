/**
 * The order of a plan's stages, and the stage in which each expression can be computed.
 *
 * Stages come in rounds, one for every depth of reduction; a round has an element stage, a neuron
 * stage and a tensor stage, in this order.
 */
import { getOrMake } from '../get-or-make.js';
import { isReduction, type Domain, type Expression } from './expression.js';

/** The domains of a round's stages, in the order of execution. */
const stageDomains = ['element', 'neuron', 'tensor'] as const;

/** The number of stages in a round. */
export const roundLength = 3;

/** The first stage of a domain; its others follow at the distance of a round. */
export const firstStage = (domain: Domain): number =>
  (stageDomains as readonly Domain[]).indexOf(domain);

/** What a stage sweeps over. */
export const domainOf = (stage: number) => stageDomains[stage % roundLength];

export const isHost = ({ domain }: Expression): boolean => domain === 'host';
export const isCondition = ({ type }: Expression): boolean => type === 'boolean';

/**
 * The numbers that a node is computed from in its own stage: conditions are computed again in every
 * stage that uses them, so the operands of a condition stand for it.
 */
const operandsOf = ({ args }: Expression): readonly Expression[] =>
  args.flatMap((arg) => (isCondition(arg) ? operandsOf(arg) : [arg]));

/** The domain of the stage that computes a node: a reduction is computed where its terms are. */
const sweepOf = (node: Expression): Domain => (isReduction(node) ? node.args[0] : node).domain;

/** Two functions that find the stages of expressions, and remember what they found. */
export function stageOrder() {
  const stages = new Map<Expression, number>();
  /** The stage that computes a node: the first that can read all operands. */
  const stageOf = (node: Expression): number => getOrMake(stages, node, () => findStage(node));
  const findStage = (node: Expression): number => {
    const domain = sweepOf(node);
    const readers = operandsOf(node).map((operand) => readerOf(operand, domain));
    return Math.max(firstStage(domain), ...readers);
  };
  /** The first stage of `domain` that can read a node's value. */
  const readerOf = (node: Expression, domain: Domain): number => {
    const first = firstStage(domain);
    if (isHost(node) || node.op === 'input') return first;
    const stage = stageOf(node);
    const round = stage - (stage % roundLength);
    // A value of another domain is read a round later: not all readers follow in its own round.
    return round + first + (node.domain === domain ? 0 : roundLength);
  };
  return { stageOf, readerOf };
}
