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

/** The number of a stage in the order of execution. */
export const stageIndex = (round: number, domain: Domain): number =>
  round * roundLength + (stageDomains as readonly Domain[]).indexOf(domain);

/** What the stage of a number sweeps over. */
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
  const rounds = new Map<Expression, number>();
  /** The first round in which a node can be computed. */
  const roundComputed = (node: Expression): number =>
    getOrMake(rounds, node, () => {
      const domain = sweepOf(node);
      return Math.max(0, ...operandsOf(node).map((operand) => roundReadable(operand, domain)));
    });
  /** The first round in which a stage of `domain` can read a node's value. */
  const roundReadable = (node: Expression, domain: Domain): number => {
    if (isHost(node) || node.op === 'input') return 0;
    // Stages of another domain read the value a round later: not all of them follow in its round.
    return roundComputed(node) + (node.domain === domain ? 0 : 1);
  };
  return {
    /** The stage that computes a node. */
    stageOf: (node: Expression): number => stageIndex(roundComputed(node), sweepOf(node)),
    /** The first stage of `domain` that can read a node's value. */
    readerOf: (node: Expression, domain: Domain): number =>
      stageIndex(roundReadable(node, domain), domain),
  };
}

export type StageOrder = ReturnType<typeof stageOrder>;
