/**
 * 1 - beta^t, exact in double also where beta^t is close to 1 (spec: Adam, Kingma and Ba, Algorithm
 * 1).
 */
export const biasCorrection = (beta: number, t: number): number => -Math.expm1(t * Math.log(beta));
