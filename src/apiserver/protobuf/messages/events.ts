// Field names and numbers of Kubernetes' events/v1 messages (k8s.io/api/events/v1/types.go); how to read them: ../message-table.ts.

import type { MessageTable } from '../message-table.ts';

export const EVENTS: MessageTable = {
  Event:
    'metadata=1:meta.ObjectMeta eventTime=2:MicroTime series=3:EventSeries* reportingController=4:string' +
    ' reportingInstance=5:string action=6:string reason=7:string regarding=8:core.ObjectReference' +
    ' related=9:core.ObjectReference* note=10:string type=11:string deprecatedSource=12:core.EventSource' +
    ' deprecatedFirstTimestamp=13:Time deprecatedLastTimestamp=14:Time deprecatedCount=15:int32',
  EventSeries: 'count=1:int32 lastObservedTime=2:MicroTime',
};
