// Field names and numbers of Kubernetes' autoscaling/v1 messages (k8s.io/api/autoscaling/v1/types.go); how to read them: ../message-table.ts.

import type { MessageTable } from '../message-table.ts';

export const AUTOSCALING: MessageTable = {
  Scale: 'metadata=1:meta.ObjectMeta spec=2:ScaleSpec status=3:ScaleStatus',
  ScaleSpec: 'replicas=1:int32',
  ScaleStatus: 'replicas=1:int32 selector=2:string',
};
