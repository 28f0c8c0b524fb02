// Field names and numbers of Kubernetes' authentication/v1 messages (k8s.io/api/authentication/v1/types.go); how to read them: ../message-table.ts.

import type { MessageTable } from '../message-table.ts';

export const AUTHENTICATION: MessageTable = {
  SelfSubjectReview: 'metadata=1:meta.ObjectMeta status=2:SelfSubjectReviewStatus',
  SelfSubjectReviewStatus: 'userInfo=1:UserInfo',
  BoundObjectReference: 'kind=1:string apiVersion=2:string name=3:string uid=4:string',
  TokenRequest: 'metadata=1:meta.ObjectMeta spec=2:TokenRequestSpec status=3:TokenRequestStatus',
  TokenRequestSpec: 'audiences=1:string[] boundObjectRef=3:BoundObjectReference* expirationSeconds=4:int64*',
  TokenRequestStatus: 'token=1:string expirationTimestamp=2:Time',
  TokenReview: 'metadata=1:meta.ObjectMeta spec=2:TokenReviewSpec status=3:TokenReviewStatus',
  TokenReviewSpec: 'token=1:string audiences=2:string[]',
  TokenReviewStatus: 'authenticated=1:bool user=2:UserInfo error=3:string audiences=4:string[]',
  UserInfo: 'username=1:string uid=2:string groups=3:string[] extra=4:Items{}',
};
