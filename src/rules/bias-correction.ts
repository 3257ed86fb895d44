/**
 * 1 - beta^t, exact in double also where beta^t is close to 1 (spec: Adam, Kingma and Ba, Algorithm
 * 1).
 */
export const biasCorrection = (beta: number, t: number): number => -Math.expm1(t * Math.log(beta));

/**
 * (1 - beta^t) / (1 - beta^(t+1)): with it, a momentum that a step divides by 1 - beta^t is divided
 * by 1 - beta^(t+1) (Dozat, Incorporating Nesterov momentum into Adam).
 */
export const lookAheadCorrection = (beta: number, t: number): number =>
  biasCorrection(beta, t) / biasCorrection(beta, t + 1);
