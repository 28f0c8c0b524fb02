// The part of OpenAPI 3.0's schema object that Kubernetes publishes for its kinds.

/**
 * What values are allowed in one place of an object, as `/openapi/v3` says it.
 * https://spec.openapis.org/oas/v3.0.3#schema-object, https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
 */
export interface Schema {
  /** `#/components/schemas/NAME`. A property that is a definition says so in `allOf`, beside its own description. */
  $ref?: string;
  allOf?: Schema[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  not?: Schema;
  title?: string;
  description?: string;
  type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  format?: string;
  enum?: unknown[];
  default?: unknown;
  nullable?: boolean;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: boolean;
  exclusiveMaximum?: boolean;
  multipleOf?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  uniqueItems?: boolean;
  minProperties?: number;
  maxProperties?: number;
  required?: string[];
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  items?: Schema;
  'x-kubernetes-group-version-kind'?: GroupVersionKind[];
  /** The field that tells the items of a list apart in a strategic merge patch. */
  'x-kubernetes-patch-merge-key'?: string;
  /** `merge`, `retainKeys` or `merge,retainKeys`; a list without one is replaced. */
  'x-kubernetes-patch-strategy'?: string;
  /** How server-side apply merges a list. Without it: atomic. */
  'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map';
  'x-kubernetes-list-map-keys'?: string[];
  /** How server-side apply merges an object. Without it: granular. */
  'x-kubernetes-map-type'?: 'atomic' | 'granular';
  'x-kubernetes-int-or-string'?: boolean;
  'x-kubernetes-preserve-unknown-fields'?: boolean;
  'x-kubernetes-embedded-resource'?: boolean;
}

/** A kind in one of its versions. */
export interface GroupVersionKind {
  group: string;
  version: string;
  kind: string;
}
