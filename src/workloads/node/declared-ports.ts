// The TCP ports a container's spec declares.

import type { Container } from '../container-runtime.ts';

/** The numbers, each once. */
export function declaredPorts({ ports = [] }: Container): number[] {
  return [...new Set(ports.filter(({ protocol = 'TCP' }) => protocol === 'TCP').map((port) => port.containerPort))];
}
