// Percentages as Envoy's fractions.

import { create } from '@bufbuild/protobuf';
import {
  FractionalPercent_DenominatorType as Denominator,
  type FractionalPercent,
  FractionalPercentSchema,
} from '../../xds/gen/envoy/type/v3/percent_pb.js';

/** A percentage with decimals, in millionths: the fourth decimal is the last that counts, as in Istio. */
export function fractionalPercent(percent: number): FractionalPercent {
  return create(FractionalPercentSchema, {
    numerator: Math.trunc(percent * 10_000),
    denominator: Denominator.MILLION,
  });
}

/** A percentage without decimals. */
export function wholePercent(percent: number): FractionalPercent {
  return create(FractionalPercentSchema, { numerator: percent, denominator: Denominator.HUNDRED });
}
