// Pods' proxies as `limen up` has them: what each is told, and their process started early.

import type { Logger } from 'pino';
import type { Store } from '../../../store/store.ts';
import { portOrFree } from '../../envoy/ports.ts';
import type { UpOptions } from '../serve.ts';
import { prepareSidecars, type Sidecars } from './sidecars.ts';

interface Dependencies {
  /** The module of their process. */
  readonly program: string;
  readonly store: Store;
  /** `host:port` of the xDS server; asked when the first pod comes. */
  readonly xds: () => string;
  readonly log: Logger;
  readonly onChange: () => void;
}

/** Makes ready for pods; where the store has some to come, the process starts now, beside the rest. */
export function startSidecars(options: UpOptions, { store, xds, ...deps }: Dependencies): Sidecars {
  const { drainTime, logLevel, logFormat } = options;
  const sidecars = prepareSidecars({
    ...deps,
    complete: (flags) => ({ ...flags, xds: xds(), workers: 1, drainTime, logLevel, logFormat }),
    freePort: portOrFree,
  });
  sidecars.expect([
    ...store.snapshot.list('Deployment').flatMap(({ spec }) => spec?.template ?? []),
    ...store.snapshot.list('Pod'),
  ]);
  return sidecars;
}
