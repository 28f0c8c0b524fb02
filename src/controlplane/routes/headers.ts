// Header manipulation of a route or a destination.
// https://istio.io/latest/docs/reference/config/networking/virtual-service/#Headers

import { create } from '@bufbuild/protobuf';
import {
  HeaderValueOption_HeaderAppendAction as AppendAction,
  type HeaderValueOption,
  HeaderValueOptionSchema,
} from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import type { HeaderChanges, Headers } from './http-route.ts';

/** What Envoy does to the headers; `authority` is what `host` is set to, which Envoy does elsewhere. */
export interface HeaderOperations {
  readonly requestHeadersToAdd: HeaderValueOption[];
  readonly requestHeadersToRemove: string[];
  readonly responseHeadersToAdd: HeaderValueOption[];
  readonly responseHeadersToRemove: string[];
  readonly authority: string;
}

/** Translates `headers`. */
export function headerOperations({ request, response }: Headers): HeaderOperations {
  return {
    requestHeadersToAdd: toAdd(request),
    requestHeadersToRemove: toRemove(request),
    responseHeadersToAdd: toAdd(response),
    responseHeadersToRemove: toRemove(response),
    authority: authorityOf(request?.set) || authorityOf(request?.add),
  };
}

function toAdd(changes: HeaderChanges | undefined): HeaderValueOption[] {
  return [
    ...options(changes?.set, AppendAction.OVERWRITE_IF_EXISTS_OR_ADD),
    ...options(changes?.add, AppendAction.APPEND_IF_EXISTS_OR_ADD),
  ];
}

function options(headers: Record<string, string> = {}, appendAction: AppendAction): HeaderValueOption[] {
  return Object.keys(headers)
    .filter((name) => !isInternal(name))
    .sort()
    .map((key) => create(HeaderValueOptionSchema, { header: { key, value: headers[key] as string }, appendAction }));
}

function toRemove(changes: HeaderChanges | undefined): string[] {
  return (changes?.remove ?? []).filter((name) => !isInternal(name));
}

/** Pseudo-headers and `host` are not Envoy's to change this way. */
function isInternal(name: string): boolean {
  return name.startsWith(':') || name.toLowerCase() === 'host';
}

function authorityOf(headers: Record<string, string> = {}): string {
  for (const [name, value] of Object.entries(headers)) {
    if (name.toLowerCase() === ':authority' || name.toLowerCase() === 'host') return value;
  }
  return '';
}
