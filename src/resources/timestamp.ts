// Moments as objects have them (Kubernetes' Time): RFC 3339, UTC, whole seconds.

/** `2025-01-31T09:00:00Z`; what is left of the second is cut off. @param time a Date, or milliseconds since the epoch */
export function timestamp(time: Date | number): string {
  return `${new Date(time).toISOString().slice(0, 19)}Z`;
}
