/**
 * The language of update rules: expressions over a weight, its gradient and its slots.
 *
 * An expression has a domain, the shape it varies over. `host` expressions are evaluated in double
 * precision and rounded to float32 once, where a kernel first meets them; all others are float32 on
 * the device, rounded after every operation, so that every printer can give the same bits. This
 * module knows no backend and no rule.
 */

/**
 * What a value varies over: nothing that a kernel computes, one value a tensor, one a neuron, one
 * an element.
 */
export type Domain = 'host' | 'tensor' | 'neuron' | 'element';

/** The domains of values that live on the device. */
export type DeviceDomain = Exclude<Domain, 'host'>;

const rank: Record<Domain, number> = { host: 0, tensor: 1, neuron: 2, element: 3 };

export type UnaryOperation = 'sqrt' | 'abs' | 'neg';
export type BinaryOperation = 'add' | 'sub' | 'mul' | 'div';
export type Comparison = 'less' | 'lessEqual' | 'equal';
export type Reduction = 'neuronSum' | 'tensorSum';

/**
 * One node of a rule's expression graph. `boolean` expressions are the conditions of `select` and
 * nothing else.
 */
export type Expression = {
  readonly op:
    | 'constant'
    | 'scalar'
    | 'input'
    | 'select'
    | UnaryOperation
    | BinaryOperation
    | Comparison
    | Reduction;
  readonly domain: Domain;
  readonly type: 'number' | 'boolean';
  readonly args: readonly Expression[];
  /** Of a constant. */
  readonly value?: number;
  /** Of a host scalar or an input. */
  readonly name?: string;
};

/** A number where an expression is expected is a constant. */
export type Operand = Expression | number;

const leaf = (
  op: 'constant' | 'scalar' | 'input',
  domain: Domain,
  fields: { value?: number; name?: string },
): Expression => ({ op, domain, type: 'number', args: [], ...fields });

/** A number fixed when the rule is compiled. */
export const constant = (value: number): Expression => leaf('constant', 'host', { value });

/** A number as a constant, anything else as it is. */
export const asExpression = (value: Operand): Expression =>
  typeof value === 'number' ? constant(value) : value;

/** A number that the host computes for each step and variable, in double precision. */
export const scalar = (name: string): Expression => leaf('scalar', 'host', { name });

/** A value that the kernel reads: the weight, the gradient or a slot. */
export const input = (name: string, domain: DeviceDomain): Expression =>
  leaf('input', domain, { name });

/** Throws unless `operand` is a number or a node of the wanted type. */
function toExpression(
  label: string,
  operand: Operand,
  type: Expression['type'] = 'number',
): Expression {
  const expression = asExpression(operand);
  if (expression?.type !== type) {
    const got = expression?.type ?? String(operand);
    throw new Error(`${label}: an operand must be a ${type} expression, got ${got}`);
  }
  return expression;
}

const widest = (args: readonly Expression[]): Domain =>
  args.reduce<Domain>(
    (domain, arg) => (rank[arg.domain] > rank[domain] ? arg.domain : domain),
    'host',
  );

function operation(
  op: UnaryOperation | BinaryOperation | Comparison,
  operands: Operand[],
  type: Expression['type'] = 'number',
): Expression {
  const args = operands.map((operand) => toExpression(op, operand));
  return { op, domain: widest(args), type, args };
}

/** The sum x + y. */
export const add = (x: Operand, y: Operand): Expression => operation('add', [x, y]);
/** The difference x - y. */
export const sub = (x: Operand, y: Operand): Expression => operation('sub', [x, y]);
/** The product x * y. */
export const mul = (x: Operand, y: Operand): Expression => operation('mul', [x, y]);

/**
 * The quotient x / y.
 *
 * A host divisor becomes a product with its reciprocal, taken in double precision: kernels divide
 * only by what varies.
 *
 * @param x - The dividend.
 * @param y - The divisor.
 * @returns The expression, which varies over what the wider of the two varies over.
 */
export function div(x: Operand, y: Operand): Expression {
  const divisor = toExpression('div', y);
  const dividend = toExpression('div', x);
  return divisor.domain === 'host' && dividend.domain !== 'host'
    ? mul(dividend, operation('div', [1, divisor]))
    : operation('div', [dividend, divisor]);
}

/** The square root of x. */
export const sqrt = (x: Operand): Expression => operation('sqrt', [x]);
/** The absolute value |x|. */
export const abs = (x: Operand): Expression => operation('abs', [x]);
/** The negative -x. */
export const neg = (x: Operand): Expression => operation('neg', [x]);
/** The square x^2. */
export const square = (x: Operand): Expression => mul(x, x);

/** The condition x < y; false where either is NaN. */
export const less = (x: Operand, y: Operand): Expression => operation('less', [x, y], 'boolean');
/** The condition x <= y; false where either is NaN. */
export const lessEqual = (x: Operand, y: Operand): Expression =>
  operation('lessEqual', [x, y], 'boolean');
/** The condition x = y; false where either is NaN. */
export const equal = (x: Operand, y: Operand): Expression => operation('equal', [x, y], 'boolean');

/**
 * x where the condition holds, else y.
 *
 * Both are computed; the one that is not chosen may be NaN without harm.
 *
 * @param condition - What `less`, `lessEqual` or `equal` returned.
 * @param x - The value where the condition holds.
 * @param y - The value elsewhere.
 * @returns The expression, which varies over what the widest of the three varies over.
 * @throws {Error} if `condition` is no condition, or `x` or `y` is one.
 */
export function select(condition: Expression, x: Operand, y: Operand): Expression {
  const args = [
    toExpression('select', condition, 'boolean'),
    toExpression('select', x),
    toExpression('select', y),
  ];
  return { op: 'select', domain: widest(args), type: 'number', args };
}

/** The smaller of x and y; x where either is NaN. */
export const minimum = (x: Operand, y: Operand): Expression => select(less(y, x), y, x);
/** The larger of x and y; x where either is NaN. */
export const maximum = (x: Operand, y: Operand): Expression => select(less(x, y), y, x);
/** 1 or -1; x itself where it is 0, -0 or NaN. */
export const sign = (x: Operand): Expression => select(less(0, x), 1, select(less(x, 0), -1, x));

/**
 * The exponential moving average after one more value: decay * average + (1 - decay) * value.
 *
 * For a host decay, 1 - decay is taken in double precision.
 *
 * @param average - The average before.
 * @param value - The new value.
 * @param decay - The weight of the average, usually in [0, 1).
 * @returns The average after.
 */
export const ema = (average: Operand, value: Operand, decay: Operand): Expression =>
  add(mul(decay, average), mul(sub(1, decay), value));

function reduction(
  op: Reduction,
  domain: DeviceDomain,
  x: Expression,
  allowed: readonly Domain[],
): Expression {
  const arg = toExpression(op, x);
  if (!allowed.includes(arg.domain)) {
    throw new Error(
      `${op}: the operand must vary over ${allowed.join(' or ')}, ` +
        `got one that varies over ${arg.domain}`,
    );
  }
  return { op, domain, type: 'number', args: [arg] };
}

/**
 * The sum of x over the elements of each neuron (its fan-in).
 *
 * @param x - An expression with one value an element.
 * @returns An expression with one value a neuron.
 * @throws {Error} if x varies over anything else.
 */
export const neuronSum = (x: Expression): Expression =>
  reduction('neuronSum', 'neuron', x, ['element']);
/**
 * The sum of x over all elements of the tensor, or over all its neurons where x has one value a
 * neuron.
 *
 * @param x - An expression with one value an element, or one a neuron.
 * @returns An expression with one value for the tensor.
 * @throws {Error} if x varies over anything else.
 */
export const tensorSum = (x: Expression): Expression =>
  reduction('tensorSum', 'tensor', x, ['element', 'neuron']);

/** True of nodes that reduce. */
export const isReduction = (expression: Expression): boolean =>
  expression.op === 'neuronSum' || expression.op === 'tensorSum';
