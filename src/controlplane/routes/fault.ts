// Fault injection of a route: the delay and the abort of Envoy's fault filter.
// https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPFaultInjection

import { create } from '@bufbuild/protobuf';
import { GRPC_STATUSES } from '../../resources/grpc-status.ts';
import { type FaultDelay, FaultDelaySchema } from '../../xds/gen/envoy/extensions/filters/common/fault/v3/fault_pb.js';
import {
  type FaultAbort,
  FaultAbortSchema,
  type HTTPFault,
  HTTPFaultSchema,
} from '../../xds/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { toDuration } from '../duration.ts';
import type { HttpFault } from './http-route.ts';
import { fractionalPercent, wholePercent } from './percent.ts';

/** The filter's settings for a route; undefined where neither part says what to do. */
export function httpFault({ delay, abort }: HttpFault): HTTPFault | undefined {
  const settings = create(HTTPFaultSchema, {});
  if (delay !== undefined) settings.delay = faultDelay(delay);
  if (abort !== undefined) settings.abort = faultAbort(abort);
  return settings.delay === undefined && settings.abort === undefined ? undefined : settings;
}

function faultDelay({ fixedDelay, percentage, percent }: NonNullable<HttpFault['delay']>): FaultDelay | undefined {
  const value = fixedDelay === undefined ? undefined : toDuration(fixedDelay);
  if (value === undefined) return undefined;
  return create(FaultDelaySchema, {
    percentage: percentage === undefined ? wholePercent(percent ?? 0) : fractionalPercent(percentage.value ?? 0),
    faultDelaySecifier: { case: 'fixedDelay', value },
  });
}

function faultAbort({ httpStatus, grpcStatus, percentage }: NonNullable<HttpFault['abort']>): FaultAbort | undefined {
  const errorType = errorTypeOf(httpStatus, grpcStatus);
  if (errorType === undefined) return undefined;
  const abort = create(FaultAbortSchema, { errorType });
  if (percentage !== undefined) abort.percentage = fractionalPercent(percentage.value ?? 0);
  return abort;
}

function errorTypeOf(
  httpStatus: number | undefined,
  grpcStatus: string | undefined,
): Extract<FaultAbort['errorType'], { case: 'httpStatus' | 'grpcStatus' }> | undefined {
  if (httpStatus !== undefined) return { case: 'httpStatus', value: httpStatus };
  const value = GRPC_STATUSES.get(grpcStatus ?? '');
  return value === undefined ? undefined : { case: 'grpcStatus', value };
}
