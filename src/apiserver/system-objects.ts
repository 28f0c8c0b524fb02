// The objects that are there before anyone makes one: namespaces, roles, the API server's own Service, the node, the definitions of built-in kinds.

import { NODE_NAME } from '../resources/node.ts';
import { keyOf, type ResourceObject } from '../resources/object.ts';
import type { Store, Writer } from '../store/store.ts';
import { defaultClusterRoles } from './authorization.ts';
import { builtInDefinitions } from './built-in-definitions.ts';
import { withStatus } from './controllers/custom-resources.ts';
import type { CustomResourceDefinition } from './custom-resource-definition.ts';
import { KUBERNETES_SERVICE_IP } from './writes/service-addresses.ts';

/** What a node says of the machine. */
export interface Machine {
  hostName: string;
  cpus: number;
  memoryBytes: number;
  /** `linux`, `darwin`, … */
  platform: string;
  /** As Node.js says it: `x64`, `arm64`. */
  architecture: string;
  osImage: string;
  kernelVersion: string;
  /** Limen's version. */
  version: string;
}

const NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease', 'istio-system'];
const LOOPBACK = '127.0.0.1';

/**
 * Puts them where they are missing or out of date. What a user changed of a namespace or role stays.
 *
 * @param port of the API server
 * @param now RFC 3339, seconds: when the node was last ready
 */
export async function putSystemObjects(store: Store, port: number, machine: Machine, now: string): Promise<void> {
  await store.transact((writer) => {
    for (const name of NAMESPACES)
      if (writer.get({ group: '', kind: 'Namespace', namespace: '', name }) === undefined)
        writer.put(namespaceObject(name));
    for (const role of defaultClusterRoles()) if (writer.get(keyOf(role)) === undefined) writer.put(role);
    for (const object of kubernetesService(port)) writer.put(object);
    writer.put(asBefore(nodeObject(machine, now), writer));
    for (const definition of builtInDefinitions()) {
      const { metadata, status } = (writer.get(keyOf(definition)) ?? definition) as CustomResourceDefinition;
      // What somebody else said of the kind changes nothing, and may be what an older Limen said.
      const current = { ...definition, metadata, ...(status === undefined ? {} : { status }) };
      writer.put(withStatus(current, now, undefined, true));
    }
  });
}

/** A node that starts again is as it was told to be (cordoned, tainted, labelled), and says what it has now. */
function asBefore(node: ResourceObject, writer: Writer): ResourceObject {
  const before = writer.get(keyOf(node));
  if (before === undefined) return node;
  const { metadata, spec } = before;
  return { ...node, metadata: { ...metadata, labels: { ...metadata.labels, ...node.metadata.labels } }, spec };
}

function namespaceObject(name: string): ResourceObject {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, labels: { 'kubernetes.io/metadata.name': name } },
    spec: { finalizers: ['kubernetes'] },
    status: { phase: 'Active' },
  };
}

/**
 * The API server's own Service with its endpoints.
 * https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/
 */
export function kubernetesService(port: number): ResourceObject[] {
  const labels = { component: 'apiserver', provider: 'kubernetes' };
  const metadata = { name: 'kubernetes', namespace: 'default' };
  const slice: ResourceObject & { addressType: string; ports: object[]; endpoints: object[] } = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: 'IPv4',
    ports: [{ name: 'https', port, protocol: 'TCP' }],
    endpoints: [{ addresses: [LOOPBACK], conditions: { ready: true } }],
  };
  const endpoints: ResourceObject & { subsets: object[] } = {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { ...metadata, labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
    subsets: [{ addresses: [{ ip: LOOPBACK }], ports: [{ name: 'https', port, protocol: 'TCP' }] }],
  };
  const service: ResourceObject = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...metadata, labels },
    spec: {
      type: 'ClusterIP',
      clusterIP: KUBERNETES_SERVICE_IP,
      clusterIPs: [KUBERNETES_SERVICE_IP],
      internalTrafficPolicy: 'Cluster',
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: port }],
      sessionAffinity: 'None',
    },
    status: { loadBalancer: {} },
  };
  return [service, endpoints, slice];
}

/** The node. @param now RFC 3339, seconds: when it was last ready */
export function nodeObject(machine: Machine, now: string): ResourceObject {
  const architecture = machine.architecture === 'x64' ? 'amd64' : machine.architecture;
  const capacity = { cpu: String(machine.cpus), memory: `${Math.floor(machine.memoryBytes / 1024)}Ki`, pods: '110' };
  const condition = (type: string, status: string, reason: string, message: string) => ({
    type,
    status,
    lastHeartbeatTime: now,
    lastTransitionTime: now,
    reason,
    message,
  });
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: NODE_NAME,
      labels: {
        'kubernetes.io/arch': architecture,
        'kubernetes.io/hostname': NODE_NAME,
        'kubernetes.io/os': machine.platform,
        'node-role.kubernetes.io/control-plane': '',
      },
    },
    spec: {},
    status: {
      addresses: [
        { type: 'InternalIP', address: LOOPBACK },
        { type: 'Hostname', address: machine.hostName },
      ],
      capacity,
      allocatable: capacity,
      conditions: [
        condition('MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'pods are processes of this machine'),
        condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'pods are processes of this machine'),
        condition('PIDPressure', 'False', 'KubeletHasSufficientPID', 'pods are processes of this machine'),
        condition('Ready', 'True', 'KubeletReady', 'limen runs pods as processes of this machine'),
      ],
      nodeInfo: {
        architecture,
        operatingSystem: machine.platform,
        osImage: machine.osImage,
        kernelVersion: machine.kernelVersion,
        kubeletVersion: `v1.32.0+limen-${machine.version}`,
        kubeProxyVersion: '',
        containerRuntimeVersion: `limen://${machine.version}`,
        bootID: '',
        machineID: '',
        systemUUID: '',
      },
    },
  };
}
