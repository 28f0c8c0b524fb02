// What the API server asks of running pods, answered by the node that runs them.

import { type PodAccess, PodAccessError } from '../../apiserver/streaming/pod-access.ts';
import { type Access, AccessError } from '../../workloads/node/access.ts';

/** The node's access, with errors as the API server tells its clients. */
export function podAccess(node: Access): PodAccess {
  return {
    logs: (container, options) => told(node.logs(container, options)),
    exec: (container, command, terminal) => told(node.exec(container, command, terminal)),
    attach: (container, terminal) => told(node.attach(container, terminal)),
    connect: (pod, port) => told(node.connect(pod, port)),
  };
}

async function told<Result>(access: Promise<Result>): Promise<Result> {
  try {
    return await access;
  } catch (error) {
    throw error instanceof AccessError ? new PodAccessError(error.reason, error.message) : error;
  }
}
