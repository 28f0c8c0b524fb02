// What the supervisor and the process of the pods' proxies tell each other over IPC.

import type { ProxyFlags } from '../../proxy.ts';

/** Supervisor → process. `id` is the supervisor's. */
export type ToSidecars =
  | { readonly type: 'start'; readonly id: number; readonly flags: ProxyFlags }
  | { readonly type: 'stop'; readonly id: number };

/** Process → supervisor. */
export type FromSidecars =
  /** It serves. `admin` is `host:port`. */
  | { readonly type: 'ready'; readonly id: number; readonly admin: string }
  | { readonly type: 'failed'; readonly id: number; readonly message: string }
  | { readonly type: 'stopped'; readonly id: number };
