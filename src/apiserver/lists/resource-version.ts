// resourceVersions of a query.

import { badRequest } from '../status.ts';

/** The number of a resourceVersion; 0 for none. @throws ApiError 400 */
export function parseResourceVersion(text: string | null): number {
  if (text === null || text === '') return 0;
  const version = Number(text);
  if (/^\d{1,15}$/.test(text)) return version;
  throw badRequest(`resourceVersion: Invalid value: ${JSON.stringify(text)}: expected a number`);
}
