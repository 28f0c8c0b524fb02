// Field names and numbers of Kubernetes' networking/v1 messages (k8s.io/api/networking/v1/types.go); how to read them: ../message-table.ts.

import type { MessageTable } from '../message-table.ts';

export const NETWORKING: MessageTable = {
  HTTPIngressPath: 'path=1:string pathType=3:string* backend=2:IngressBackend',
  HTTPIngressRuleValue: 'paths=1:HTTPIngressPath[]',
  Ingress: 'metadata=1:meta.ObjectMeta spec=2:IngressSpec status=3:IngressStatus',
  IngressBackend: 'service=4:IngressServiceBackend* resource=3:core.TypedLocalObjectReference*',
  IngressClass: 'metadata=1:meta.ObjectMeta spec=2:IngressClassSpec',
  IngressClassParametersReference: 'apiGroup=1:string* kind=2:string name=3:string scope=4:string* namespace=5:string*',
  IngressClassSpec: 'controller=1:string parameters=2:IngressClassParametersReference*',
  IngressLoadBalancerIngress: 'ip=1:string hostname=2:string ports=4:IngressPortStatus[]',
  IngressLoadBalancerStatus: 'ingress=1:IngressLoadBalancerIngress[]',
  IngressPortStatus: 'port=1:int32 protocol=2:string error=3:string*',
  IngressRule: 'host=1:string ~=2:IngressRuleValue',
  IngressRuleValue: 'http=1:HTTPIngressRuleValue*',
  IngressServiceBackend: 'name=1:string port=2:ServiceBackendPort',
  IngressSpec: 'ingressClassName=4:string* defaultBackend=1:IngressBackend* tls=2:IngressTLS[] rules=3:IngressRule[]',
  IngressStatus: 'loadBalancer=1:IngressLoadBalancerStatus',
  IngressTLS: 'hosts=1:string[] secretName=2:string',
  ServiceBackendPort: 'name=1:string number=2:int32',
};
