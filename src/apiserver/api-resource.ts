// A resource as a request names it: a kind in one of its versions.

import type { PrinterColumn } from '../resources/kinds/kind.ts';
import { apiVersionOf, type Kind } from '../resources/kinds.ts';
import { kindId, type ObjectKey, type ResourceObject } from '../resources/object.ts';
import { resolveRef, schemaOf } from '../resources/openapi/definitions.ts';
import { type FieldType, fieldType } from '../resources/openapi/field-type.ts';
import { isKubernetesGroup } from '../resources/openapi/names.ts';
import type { Schema } from '../resources/openapi/schema.ts';
import { withSchemas } from './built-in-definitions.ts';
import { DEFINITION } from './custom-resource-definition.ts';

/** A kind in one version. One object for each that is served; compared by identity. */
export class ApiResource {
  readonly kind: Kind;
  readonly kindId: string;
  readonly version: string;
  /** `group/version` as this resource's objects have it. */
  readonly apiVersion: string;
  /** `group/version` as objects are stored. */
  readonly storedApiVersion: string;
  readonly group: string;
  readonly plural: string;
  /** Custom resources know no strategic merge patch, and a new one comes without status. */
  readonly isCustom: boolean;
  readonly printerColumns: readonly PrinterColumn[] | undefined;

  constructor(kind: Kind, version: string) {
    this.kind = kind;
    this.kindId = kindId(kind.group, kind.name);
    this.version = version;
    this.apiVersion = apiVersionOf(kind, version);
    this.storedApiVersion = apiVersionOf(kind);
    this.group = kind.group;
    this.plural = kind.plural;
    this.isCustom = !isKubernetesGroup(kind.group);
    this.printerColumns = kind.versionColumns === undefined ? kind.columns : kind.versionColumns.get(version);
  }

  /** Its references lead to the definitions of resources/openapi. Undefined: anything goes. */
  get schema(): Schema | undefined {
    return schemaOf(this.kind, this.version);
  }

  /** How the fields of its objects merge. */
  get fieldType(): FieldType {
    return fieldType(this.schema, resolveRef);
  }

  has(subresource: string): boolean {
    return this.kind.subresources.some(({ name }) => name === subresource);
  }

  /** The key of one of its objects. @param namespace '' when cluster-scoped */
  key(namespace: string, name: string): ObjectKey {
    return { group: this.group, kind: this.kind.name, namespace, name };
  }

  /** A stored object as this version shows it. Versions differ in their name only. */
  show(object: ResourceObject): ResourceObject {
    if (this.kindId === DEFINITION) return withSchemas(object);
    return object.apiVersion === this.apiVersion ? object : { ...object, apiVersion: this.apiVersion };
  }
}
