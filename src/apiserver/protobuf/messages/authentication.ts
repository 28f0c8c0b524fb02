// Field names and numbers of Kubernetes' authentication/v1 messages (k8s.io/api/authentication/v1/types.go); how to read them: ../message-table.ts.

import type { MessageTable } from '../message-table.ts';

export const AUTHENTICATION: MessageTable = {
  SelfSubjectReview: 'metadata=1:meta.ObjectMeta status=2:SelfSubjectReviewStatus',
  SelfSubjectReviewStatus: 'userInfo=1:UserInfo',
  UserInfo: 'username=1:string uid=2:string groups=3:string[] extra=4:Items{}',
};
