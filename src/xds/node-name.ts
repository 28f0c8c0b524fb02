// How a node is called in logs: short enough to read.

/**
 * `istio-ingressgateway-7d9f.istio-system` of an id in Istio's form (`router~10.0.0.7~istio-ingressgateway-7d9f.istio-system~…`);
 * any other id as it is.
 */
export function nodeName(id: string): string {
  const parts = id.split('~');
  return parts.length === 4 && parts[2] !== undefined && parts[2] !== '' ? parts[2] : id;
}
