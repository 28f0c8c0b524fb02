// The options of a request that writes: dryRun, fieldManager, fieldValidation, force.
// https://kubernetes.io/docs/reference/kubernetes-api/common-parameters/common-parameters/

import type { ApiCall } from '../api-call.ts';
import { isTrue } from '../request-info.ts';
import { invalid, type StatusCause } from '../status.ts';

/** What is done about fields that a kind does not have. */
export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

/** The options of a write. */
export interface WriteOptions {
  isDryRun: boolean;
  /** Who owns the fields that are written. */
  manager: string;
  /** Whether the request named the manager. */
  isManagerGiven: boolean;
  fieldValidation: FieldValidation;
  /** Of server-side apply: take fields over from other managers. */
  force: boolean;
}

const MAX_MANAGER_LENGTH = 128;

/** @param optionsKind `CreateOptions`, … for messages @throws ApiError 422 */
export function writeOptions({ query, client }: ApiCall, optionsKind: string): WriteOptions {
  const causes: StatusCause[] = [];
  const dryRun = query.getAll('dryRun').filter((value) => value !== '');
  if (dryRun.some((value) => value !== 'All'))
    causes.push({
      reason: 'FieldValueNotSupported',
      field: 'dryRun',
      message: `Unsupported value: ${JSON.stringify(dryRun)}: supported values: "All"`,
    });
  const given = query.get('fieldManager') ?? '';
  if (given.length > MAX_MANAGER_LENGTH || /[^\P{C}]/u.test(given))
    causes.push({
      reason: 'FieldValueInvalid',
      field: 'fieldManager',
      message: `Invalid value: ${JSON.stringify(given.slice(0, MAX_MANAGER_LENGTH))}: should be printable text of at most ${MAX_MANAGER_LENGTH} characters`,
    });
  const validation = query.get('fieldValidation') || 'Warn';
  if (validation !== 'Strict' && validation !== 'Warn' && validation !== 'Ignore')
    causes.push({
      reason: 'FieldValueNotSupported',
      field: 'fieldValidation',
      message: `Unsupported value: ${JSON.stringify(validation)}: supported values: "Ignore", "Strict", "Warn"`,
    });
  if (causes.length > 0) throw invalid({ group: 'meta.k8s.io', kind: optionsKind }, '', causes);
  return {
    isDryRun: dryRun.length > 0,
    manager: given || client,
    isManagerGiven: given !== '',
    fieldValidation: validation as FieldValidation,
    force: isTrue(query.get('force')),
  };
}
