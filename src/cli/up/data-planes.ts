// The data planes that `limen up` can run.

/** The values of `--data-plane`: Limen's own proxy, or an Envoy. */
export const DATA_PLANES = ['limen', 'envoy'] as const;
export type DataPlaneKind = (typeof DATA_PLANES)[number];
