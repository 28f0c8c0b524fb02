// Field names and numbers of Kubernetes' coordination/v1 messages (k8s.io/api/coordination/v1/types.go); how to read them: ../message-table.ts.

import type { MessageTable } from '../message-table.ts';

export const COORDINATION: MessageTable = {
  Lease: 'metadata=1:meta.ObjectMeta spec=2:LeaseSpec',
  LeaseSpec:
    'holderIdentity=1:string* leaseDurationSeconds=2:int32* acquireTime=3:MicroTime* renewTime=4:MicroTime*' +
    ' leaseTransitions=5:int32* strategy=6:string* preferredHolder=7:string*',
};
