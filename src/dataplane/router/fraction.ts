// Envoy's FractionalPercent: a share of requests.

import {
  FractionalPercent_DenominatorType as Denominator,
  type FractionalPercent,
} from '../../xds/gen/envoy/type/v3/percent_pb.js';

/** `numerator` of `denominator` requests. */
export interface Fraction {
  readonly numerator: number;
  /** 100, ten thousand or a million. */
  readonly denominator: number;
}

/** Nothing where the message is missing, as in Envoy. */
export function fractionOf(percent: FractionalPercent | undefined): Fraction {
  if (percent === undefined) return { numerator: 0, denominator: 100 };
  return { numerator: percent.numerator, denominator: denominatorOf(percent) };
}

/** The denominator as a number. */
export function denominatorOf({ denominator }: Pick<FractionalPercent, 'denominator'>): number {
  if (denominator === Denominator.TEN_THOUSAND) return 10_000;
  return denominator === Denominator.MILLION ? 1_000_000 : 100;
}

/** Whether this time is one of them. @param random uniform in [0, 1) */
export function drawn({ numerator, denominator }: Fraction, random: () => number): boolean {
  return numerator > 0 && random() * denominator < numerator;
}
