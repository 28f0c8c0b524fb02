// Fault injection of a VirtualService's HTTP route.

import type { FieldPath } from '../field-path.ts';
import { error, type Finding, warning } from '../finding.ts';
import { GRPC_STATUSES } from '../grpc-status.ts';
import { nearest } from '../nearest.ts';
import type { HttpRoute } from '../types.ts';
import { checkDuration, checkPercent } from './syntax.ts';

type Fault = NonNullable<HttpRoute['fault']>;

/** Without a percentage the proxy takes 0, where most people expect 100. */
const ALL = 'for all requests "percentage: {value: 100}"';

/** https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPFaultInjection */
export function checkFault(fault: Fault | undefined, path: FieldPath): Finding[] {
  if (fault === undefined) return [];
  const { abort, delay } = fault;
  if (abort === undefined && delay === undefined) return [error(path, 'does nothing', 'set abort, delay or both')];
  return [
    ...(abort === undefined ? [] : checkAbort(abort, [...path, 'abort'])),
    ...(delay === undefined ? [] : checkDelay(delay, [...path, 'delay'])),
  ];
}

function checkAbort(abort: NonNullable<Fault['abort']>, path: FieldPath): Finding[] {
  const { httpStatus, grpcStatus, http2Error, percentage } = abort;
  const findings = checkPercent(percentage?.value, [...path, 'percentage', 'value']);
  if (httpStatus !== undefined && (httpStatus < 200 || httpStatus > 599))
    findings.push(error([...path, 'httpStatus'], `${httpStatus} is no final status`, 'a number from 200 to 599'));
  if (grpcStatus !== undefined && !GRPC_STATUSES.has(grpcStatus)) {
    const guess = nearest(grpcStatus, GRPC_STATUSES.keys());
    const hint = guess === undefined ? `known ones: ${[...GRPC_STATUSES.keys()].join(', ')}` : `did you mean ${guess}?`;
    findings.push(error([...path, 'grpcStatus'], `"${grpcStatus}" is no status of gRPC`, hint));
  }
  if (http2Error !== undefined)
    findings.push(error([...path, 'http2Error'], 'is not supported', 'use httpStatus or grpcStatus'));
  if (httpStatus === undefined && grpcStatus === undefined && http2Error === undefined)
    findings.push(warning(path, 'aborts nothing: it names no status', 'set httpStatus or grpcStatus'));
  else if (percentage === undefined) findings.push(warning(path, 'aborts no request: it has no percentage', ALL));
  return findings;
}

function checkDelay(delay: NonNullable<Fault['delay']>, path: FieldPath): Finding[] {
  const { fixedDelay, exponentialDelay, percent, percentage } = delay;
  const findings = checkPercent(percentage?.value, [...path, 'percentage', 'value']);
  if (percent !== undefined) findings.push(...checkPercent(percent, [...path, 'percent']));
  if (fixedDelay !== undefined) findings.push(...checkDuration([...path, 'fixedDelay'], fixedDelay));
  if (exponentialDelay !== undefined)
    findings.push(error([...path, 'exponentialDelay'], 'is not supported', 'use fixedDelay'));
  if (fixedDelay === undefined && exponentialDelay === undefined)
    findings.push(warning(path, 'delays nothing: it names no time', 'set fixedDelay'));
  else if (percentage === undefined && percent === undefined)
    findings.push(warning(path, 'delays no request: it has no percentage', ALL));
  return findings;
}
